#include "engine/kernels/group_walk.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "engine/ceil_div.h"
#include "engine/parallel.h"

namespace bonsai {
SmallGroups::SmallGroups(const ConvShape& s)
    : size(static_cast<int>(
          std::bit_ceil(static_cast<unsigned>(std::max(s.group_in(), s.group_out()))))),
      groups(s.groups) {}

size_t SmallGroups::kernel() const {
  return static_cast<size_t>(std::countr_zero(static_cast<unsigned>(size)));
}

GroupDirection forward_direction(const ConvShape& s) {
  return {.from = {s.h, s.w, s.group_in()},
          .to = {s.out_h, s.out_w, s.group_out()},
          .read_step = s.stride,
          .result_step = 1,
          .back = false};
}

GroupDirection backward_direction(const ConvShape& s) {
  return {.from = {s.out_h, s.out_w, s.group_out()},
          .to = {s.h, s.w, s.group_in()},
          .read_step = 1,
          .result_step = s.stride,
          .back = true};
}

GroupWalk::GroupWalk(const ConvShape& s, const GroupDirection& direction)
    : s_(s), groups_(s), d_(direction) {
  int most_windows = 0, end = 1;
  bool any = false;
  for_each_phase([&](const Phase& phase) {
    const TapAxis& rows = phase.rows;
    const int windows = ceil_div(rows.taps, phase.most) * ceil_div(phase.columns.taps, phase.most);
    windows_ += windows;
    most_windows = std::max(most_windows, windows);
    all_have_taps_ = all_have_taps_ && windows > 0;
    if (rows.taps == 0) return;
    const int last = rows.at + (rows.taps - 1) * rows.at_step;
    top_ = any ? std::min(top_, rows.at) : rows.at;
    end = any ? std::max(end, last + 1) : last + 1;
    any = true;
  });
  window_ = end - top_;
  slices_overlap_ = groups_.channels() > lane_slice && most_windows <= 1;
  // That a chunk reads: of a first cache or, as lines that two chunks read are copied for both, of
  // a second one.
  const bool copies = !slices_fit(d_.from.group);
  const int64_t numbers = copies ? 1 << 15 : 1 << 14;
  constexpr int least_chunks = 4;
  const int64_t line = int64_t{d_.from.w} * groups_.channels();
  const int64_t lines = (numbers / line - window_) / d_.read_step + 1;
  lines_ = static_cast<int>(std::clamp<int64_t>(lines / 2 * 2, 2, all_lines() + all_lines() % 2));
  bands_ = ceil_div(all_lines(), lines_);
  const int64_t images = bands_ > 1 ? 1 : numbers / (line * d_.from.h);
  images_ = static_cast<int>(std::clamp<int64_t>(images, 1, ceil_div(s.n, least_chunks)));
  runs_ = ceil_div(s.n, images_);
}

int GroupWalk::slice_begin(int i) const {
  const int begin = i * lane_slice;
  return slices_overlap_ ? std::min(begin, groups_.channels() - lane_slice) : begin;
}

bool GroupWalk::slices_fit(int group) const {
  return group == groups_.size && (groups_.channels() % lane_slice == 0 || slices_overlap_);
}

GroupWalk::Chunk GroupWalk::chunk(int64_t i) const {
  const int image = static_cast<int>(i / bands_) * images_;
  const int line = static_cast<int>(i % bands_) * lines_;
  return {.image = image,
          .images = std::clamp(s_.n - image, 0, images_),
          .line = line,
          .lines = std::min(lines_, all_lines() - line)};
}

GroupWalk::Pixels GroupWalk::reads(const Chunk& chunk) const {
  const int first = top_ + chunk.line * d_.read_step, h = d_.from.h;
  // Lines of results are computed two by two, even if there is only one.
  const int last = first + (chunk.lines + chunk.lines % 2 - 1) * d_.read_step + window_;
  const int64_t begin = int64_t{chunk.image} * h + std::clamp(first, 0, h);
  const int64_t end = int64_t{chunk.image + chunk.images - 1} * h + std::clamp(last, 0, h);
  return {.first = begin * d_.from.w, .count = std::max<int64_t>(0, end - begin) * d_.from.w};
}

GroupWalk::Pixels GroupWalk::results(const Chunk& chunk) const {
  const int step = d_.result_step, h = d_.to.h;
  const int64_t begin = int64_t{chunk.image} * h + chunk.line * step;
  const int64_t end =
      int64_t{chunk.image + chunk.images - 1} * h + std::min(h, (chunk.line + chunk.lines) * step);
  return {.first = begin * d_.to.w, .count = std::max<int64_t>(0, end - begin) * d_.to.w};
}

GroupWalk::Slices GroupWalk::slices(const Scalar* x, int group, const Pixels& pixels,
                                    int slot) const {
  const int64_t channels = groups_.groups * group, padded = groups_.slices() * lane_slice;
  if (slices_fit(group)) return {.at = x, .first = 0, .step = channels};
  auto* copy = thread_scratch<Scalar>(slot, static_cast<size_t>(pixels.count * padded));
  spread_groups(groups_.gaps(group), x + pixels.first * channels, pixels.count, copy, padded);
  return {.at = copy, .first = pixels.first, .step = padded};
}

// Of the taps of dx's pixel `first` and every stride-th, the last one reads first.
TapAxis GroupWalk::axis(int first, int taps, int results) const {
  const int step = d_.result_step, count = ceil_div(results - first, step);
  if (!d_.back) {
    return {.first = first,
            .step = step,
            .count = count,
            .taps = taps,
            .number = 0,
            .number_step = 1,
            .at = -s_.padding,
            .at_step = s_.dilation};
  }
  const int divisor = std::gcd(step, s_.dilation);
  TapAxis axis{.first = first,
               .step = step,
               .count = count,
               .taps = 0,
               .number = 0,
               .number_step = -step / divisor,
               .at = 0,
               .at_step = s_.dilation / divisor};
  for (int k = 0; k < taps; ++k) {
    const int at = first + s_.padding - k * s_.dilation;
    if (at % step != 0) continue;
    ++axis.taps;
    axis.number = k, axis.at = at / step;
  }
  return axis;
}

GroupWalk::Phase GroupWalk::phase(const TapAxis& rows, const TapAxis& columns) const {
  const int at_step = rows.at_step, read_step = d_.read_step;
  const bool half = 2 * at_step == read_step, beside = at_step == read_step;
  const bool all = rows.taps == 3 && columns.taps == 3 && (half || beside);
  return {.rows = rows,
          .columns = columns,
          .most = all      ? 3
                  : beside ? 2
                           : 1,
          .tap = all ? at_step : read_step,
          .half = all && half};
}

GroupWalk::Window GroupWalk::window(const Phase& phase, int row, int column) const {
  const auto& [rows, columns, most, tap, half] = phase;
  const int64_t line = rows.number + row * rows.number_step;
  return {.shape = {.lines = std::min(most, rows.taps - row),
                    .columns = std::min(most, columns.taps - column),
                    .half = half},
          .line = rows.at + row * rows.at_step,
          .column = columns.at + column * columns.at_step,
          .w = (line * s_.kw + columns.number + column * columns.number_step) * groups_.size *
               lane_slice};
}

std::span<const LaneRow> GroupWalk::rows(const Chunk& chunk, const Phase& phase,
                                         const Window& window, const Slices& x,
                                         int64_t y_step) const {
  const int lines = std::clamp(phase.rows.count - chunk.line, 0, chunk.lines);
  const int read = window.shape.lines + (window.shape.half ? 2 : 1);
  const auto count = static_cast<size_t>(chunk.images) * static_cast<size_t>((lines + 1) / 2);
  auto* const rows = thread_scratch<LaneRow>(2, count);
  LaneRow* row = rows;
  for (int image = 0; image < chunk.images; ++image) {
    for (int line = 0; line < lines; line += 2, ++row) {
      for (int k = 0; k < read; ++k) {
        const int at = (chunk.line + line) * d_.read_step + window.line + k * phase.tap;
        const int64_t pixel = (int64_t{chunk.image + image} * d_.from.h + at) * d_.from.w;
        const bool inside = at >= 0 && at < d_.from.h;
        row->x[k] = inside ? x.pixel(pixel) : nullptr;
      }
      const int64_t to = int64_t{image} * d_.to.h + line * phase.rows.step + phase.rows.first;
      row->y = (to * d_.to.w + phase.columns.first) * y_step;
      row->lines = std::min(2, lines - line);
    }
  }
  return {rows, count};
}

LaneLayout GroupWalk::layout(const Phase& phase, const Window& window, int64_t x_step,
                             int64_t y_step) const {
  const int64_t tap_weights = int64_t{groups_.size} * lane_slice;
  return {.first = window.column,
          .tap = phase.tap,
          .width = d_.from.w,
          .results = phase.columns.count,
          .x_pixel = x_step,
          .y_line = phase.rows.step * d_.to.w * y_step,
          .y_column = phase.columns.step * y_step,
          .w_line = phase.rows.number_step * s_.kw * tap_weights,
          .w_column = phase.columns.number_step * tap_weights};
}

}  // namespace bonsai
