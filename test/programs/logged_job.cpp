// An external command for tests with faults: writes down when it begins and
// ends, apart from everything that Muster itself records.
//
//     muster_logged_job LOG
//
// Standard input: `NUMBER MILLISECONDS MODE`, the mode being `good`, or, for
// the first attempt only, `exit` or `crash`. Standard output: `NUMBER JOB
// ATTEMPT`. Into LOG, which may be shared by all: `start JOB ATTEMPT NODE TIME
// PID` and `end ...`, one write each; TIME is the monotonic clock's, in
// nanoseconds.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace {

const char* variable(const char* name) {
  auto* value = std::getenv(name);
  return value != nullptr ? value : "?";
}

long long nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

bool write_down(int log, const char* what) {
  char line[512];
  auto size
    = std::snprintf(line, sizeof(line), "%s %s %s %s %lld %d\n", what,
                    variable("MUSTER_JOB_ID"), variable("MUSTER_ATTEMPT"),
                    variable("MUSTER_FAULT_NODE"), nanoseconds(), ::getpid());
  return size > 0 && size < static_cast<int>(sizeof(line))
         && ::write(log, line, static_cast<std::size_t>(size)) == size;
}

} // namespace

int main(int argc, char** argv) {
  auto log
    = argc == 2 ? ::open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
  if (log < 0 || !write_down(log, "start"))
    return 70;
  char number[32];
  char mode[32];
  long pause = 0;
  if (std::scanf("%31s %ld %31s", number, &pause, mode) != 3)
    return 71;
  timespec left{pause / 1'000, pause % 1'000 * 1'000'000};
  while (::nanosleep(&left, &left) != 0)
    ;
  if (!write_down(log, "end"))
    return 72;
  if (std::strcmp(variable("MUSTER_ATTEMPT"), "1") == 0) {
    if (std::strcmp(mode, "exit") == 0)
      return 3;
    if (std::strcmp(mode, "crash") == 0)
      std::abort();
  }
  std::printf("%s %s %s", number, variable("MUSTER_JOB_ID"),
              variable("MUSTER_ATTEMPT"));
  return 0;
}
