#include "runtime/shell_table.hpp"

#include "runtime/shell_text.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t gap = 2;
/// A column is not cut below this.
constexpr std::size_t least_column = 8;
constexpr std::size_t least_value = 20;

template <class Columns>
std::size_t total(const Columns& columns) {
  std::size_t result = columns.empty() ? 0 : (columns.size() - 1) * gap;
  for (auto& each : columns)
    result += each.width;
  return result;
}

} // namespace

text_table::text_table(std::vector<table_column> columns)
  : columns_(std::move(columns)) {
  // nop
}

void text_table::add(std::vector<table_cell> row) {
  row.resize(columns_.size());
  for (auto& cell : row)
    if (cell.text.empty())
      cell = {"-", tone::dim};
  rows_.push_back(std::move(row));
}

std::vector<text_table::shown_column>
text_table::lay_out(const screen& on) const {
  std::vector<shown_column> result;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto width = columns_[i].title.size();
    for (auto& row : rows_)
      width = std::max(width, display_width(row[i].text));
    result.push_back({i, width});
  }
  if (on.width == 0)
    return result;
  for (auto i = result.size(); i-- > 0 && total(result) > on.width;)
    if (columns_[result[i].index].spare)
      result.erase(result.begin() + static_cast<std::ptrdiff_t>(i));
  shrink(result, on.width);
  return result;
}

// The widest column that may shrink gives way first.
void text_table::shrink(std::vector<shown_column>& shown,
                        std::size_t width) const {
  while (total(shown) > width) {
    shown_column* widest = nullptr;
    for (auto& each : shown)
      if (columns_[each.index].shrinks && each.width > least_column
          && (widest == nullptr || each.width > widest->width))
        widest = &each;
    if (widest == nullptr)
      break;
    --widest->width;
  }
}

std::string text_table::render(const screen& on, std::size_t max_rows) const {
  auto shown = lay_out(on);
  std::vector<table_cell> titles;
  for (auto& column : columns_)
    titles.push_back({column.title, tone::strong});
  std::string out;
  render_row(out, titles, shown, on);
  auto count = max_rows == 0 ? rows_.size() : std::min(rows_.size(), max_rows);
  for (std::size_t i = 0; i < count; ++i)
    render_row(out, rows_[i], shown, on);
  return out;
}

void text_table::render_row(std::string& out,
                            const std::vector<table_cell>& row,
                            const std::vector<shown_column>& shown,
                            const screen& on) const {
  auto room = on.width == 0 ? std::string::npos : on.width;
  for (auto& [index, wanted] : shown) {
    auto& cell = row[index];
    auto before = &wanted == &shown.front().width ? 0 : gap;
    if (room <= before)
      break;
    auto width = std::min(wanted, room - before);
    auto text = fit(cell.text, width, on.unicode);
    auto blank = width - std::min(width, display_width(text));
    auto right = columns_[index].right;
    out.append(before + (right ? blank : 0), ' ');
    out += paint(text, cell.how, on);
    if (!right && &wanted != &shown.back().width)
      out.append(blank, ' ');
    if (room != std::string::npos)
      room -= before + width;
  }
  out.push_back('\n');
}

void field_list::add(std::string name, std::string value, tone how) {
  if (!value.empty())
    fields_.push_back({std::move(name), {std::move(value), how}});
}

std::string field_list::render(const screen& on) const {
  std::size_t indent = 0;
  for (auto& each : fields_)
    indent = std::max(indent, each.name.size() + gap);
  std::string out;
  for (auto& [name, value] : fields_) {
    auto lines
      = on.width == 0
          ? std::vector<std::string>{value.text}
          : wrap(value.text,
                 std::max(on.width - std::min(on.width, indent), least_value));
    out += paint(name, tone::dim, on);
    out.append(indent - name.size(), ' ');
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (i > 0)
        out.append(indent, ' ');
      out += paint(lines[i], value.how, on) + '\n';
    }
  }
  return out;
}

} // namespace muster
