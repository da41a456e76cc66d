#pragma once

#include "runtime/shell_screen.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace muster {

struct table_column {
  std::string title;
  /// Numbers stand at the right.
  bool right = false;
  /// May be cut where there is too little room, with an ellipsis.
  bool shrinks = false;
  /// Left out where there is too little room, the last one first, before any
  /// is cut.
  bool spare = false;
};

struct table_cell {
  /// `printable`.
  std::string text;
  tone how = tone::plain;
};

/// Rows in columns that fit a screen:
///
///     QUEUE     READY  OLDEST
///     letters      12    3.1s
///     a-very-…      0       -
class text_table {
public:
  explicit text_table(std::vector<table_column> columns);

  /// As many cells as columns. An empty one is shown as `-`.
  void add(std::vector<table_cell> row);

  [[nodiscard]] std::size_t size() const noexcept {
    return rows_.size();
  }

  /// Lines with their ends. Where even cut columns take too much room, the line
  /// is cut. With at most `max_rows` rows; 0 is no limit.
  [[nodiscard]] std::string render(const screen& on,
                                   std::size_t max_rows = 0) const;

private:
  struct shown_column {
    std::size_t index = 0;
    std::size_t width = 0;
  };

  [[nodiscard]] std::vector<shown_column> lay_out(const screen& on) const;
  void shrink(std::vector<shown_column>& shown, std::size_t width) const;
  void render_row(std::string& out, const std::vector<table_cell>& row,
                  const std::vector<shown_column>& shown,
                  const screen& on) const;

  std::vector<table_column> columns_;
  std::vector<std::vector<table_cell>> rows_;
};

/// Names with values, one a line; long values go on below themselves:
///
///     state   leased
///     error   the printer is out
///             of paper
class field_list {
public:
  /// A value that is empty is left out.
  void add(std::string name, std::string value, tone how = tone::plain);

  [[nodiscard]] std::string render(const screen& on) const;

private:
  struct field {
    std::string name;
    table_cell value;
  };
  std::vector<field> fields_;
};

} // namespace muster
