#include "persistence/backoff.hpp"
#include "persistence/journal.hpp"
#include "persistence/typed_payload.hpp"

int main() {
  muster::journal_options options;
  auto valid = muster::validate(options);
  auto pause = muster::backoff_after({}, 1, {muster::job_id{1}, 1});
  return valid || pause.count() == 0;
}
