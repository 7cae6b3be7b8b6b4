#pragma once
// Memory for what a network makes on its way: handed out in a row, all taken back at once, and kept. After the first
// window of a size nothing is allocated any more.
//
// Threads: one thread an object. Spans are good until the next reset(), or until the Scope ends that they were made in.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace fastsag::model {

class Workspace {
 public:
  std::span<float> floats(int64_t count) { return {take(static_cast<size_t>(count)), static_cast<size_t>(count)}; }
  std::span<float> zeros(int64_t count) {
    const auto span = floats(count);
    std::fill(span.begin(), span.end(), 0.0f);
    return span;
  }
  std::span<uint16_t> halves(int64_t count) {
    return {reinterpret_cast<uint16_t*>(take(static_cast<size_t>(count + 1) / 2)), static_cast<size_t>(count)};
  }
  // What is taken while it lives is given back at its end, for the next to find in the cache. (Not where a new piece
  // was needed meanwhile: the first time.)
  class Scope {
   public:
    explicit Scope(Workspace& workspace) : of_(workspace), pieces_(workspace.pieces_.size()), used_(workspace.used_) {}
    ~Scope() {
      if (of_.pieces_.size() == pieces_) of_.used_ = used_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& of_;
    const size_t pieces_, used_;
  };

  // Pieces that were needed are one piece from now on, which has room for a little more.
  void reset() {
    if (pieces_.size() > 1) {
      const size_t size = std::bit_ceil(filled_ + used_);
      pieces_.clear();
      add(size);
    }
    filled_ = used_ = 0;
  }

 private:
  static constexpr size_t kLine = 16;  // floats of a cache line
  void add(size_t size) {
    pieces_.push_back(std::make_unique_for_overwrite<float[]>(size));
    capacity_ = size;
  }
  float* take(size_t count) {
    const size_t whole = (count + kLine - 1) / kLine * kLine;
    if (pieces_.empty() || used_ + whole > capacity_) {
      filled_ += used_;
      used_ = 0;
      add(std::max(whole, size_t{1} << 16));
    }
    used_ += whole;
    return pieces_.back().get() + used_ - whole;
  }

  std::vector<std::unique_ptr<float[]>> pieces_;
  size_t capacity_ = 0, used_ = 0, filled_ = 0;  // of the last piece; of those before it
};

}  // namespace fastsag::model
