// A plug-in: a handler in C++ that a node loads.
//
//     muster node --handlers=build/dev/lib/libmuster_example_plugin.so
//     echo 'to be or not to be' | muster enqueue --handler=word_count --wait q
//
// prints `be 2, not 1, or 1, to 2`.

// [handler]
#include "actors/plugin.hpp"

#include <map>
#include <sstream>

using namespace muster::plugin;

result word_count(job& job) {
  std::istringstream text{std::string{job.payload()}};
  std::map<std::string, int> counts;
  for (std::string word; text >> word;) {
    if (job.cancelled())
      return failure{"stopped"};
    ++counts[word];
  }
  if (counts.empty())
    return failure{"there are no words", false};
  std::string lines;
  for (auto& [word, count] : counts)
    lines += (lines.empty() ? "" : ", ") + word + " " + std::to_string(count);
  return lines;
}

MUSTER_PLUGIN({"word_count", word_count})
// [handler]
