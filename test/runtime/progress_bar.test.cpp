#include "runtime/progress_bar.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;

TEST_CASE("a progress bar shows how much is done, how fast, and what is left") {
  CHECK(render_progress({1'000, 2'000, 400}, 60, bar_style::ascii)
        == "[##########..........]  50%  1,000 of 2,000, 400/s, 3 s left");
  CHECK(render_progress({0, 10, 0}, 26, bar_style::ascii)
        == "[..........]   0%  0 of 10");
  CHECK(render_progress({10, 10, 5}, 37, bar_style::ascii)
        == "[###############] 100%  10 of 10, 5/s");
}

TEST_CASE("a progress bar draws parts of a cell where it can") {
  CHECK(render_progress({5, 16, 0}, 28, bar_style::unicode)
        == "████▍░░░░░░░░░  31%  5 of 16");
}

TEST_CASE("progress of nobody knows how much has no bar") {
  CHECK(render_progress({1'234, 0, 56}, 60, bar_style::ascii) == "1,234, 56/s");
  CHECK(render_progress({0, 0, 0}, 60, bar_style::unicode) == "0");
}

TEST_CASE("a progress bar fits into its width") {
  for (auto& now : {progress{123'456, 234'567, 789}, progress{123'456, 0, 7}})
    for (std::size_t width = 0; width < 120; ++width)
      CHECK(render_progress(now, width, bar_style::ascii).size() <= width);
}

TEST_CASE("progress stays between nothing and all") {
  CHECK(progress{0, 0, 0}.fraction() == 1);
  CHECK(progress{5, 10, 0}.fraction() == 0.5);
  CHECK(progress{20, 10, 0}.fraction() == 1);
}

TEST_CASE("counts are grouped by thousands") {
  CHECK(render_count(0) == "0");
  CHECK(render_count(999) == "999");
  CHECK(render_count(1'000) == "1,000");
  CHECK(render_count(1'234'567) == "1,234,567");
}
