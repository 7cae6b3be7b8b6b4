// The kernels of model/cuda on the CPU: the same threads, one after another.
#include <array>
#include <vector>

#include "model/cuda/attention.h"
#include "model/cuda/edm_step.h"
#include "model/cuda/norm_mish.h"
#include "model/cuda/pixels.h"
#include "model/cuda/snake_run.h"

namespace fastsag::model::cuda {
namespace {

// As the block that adds up slice `slice`, and the last one's end.
template <class T, int V>
void add_up(const NormArgs<T>& a, int64_t item) {
  const int64_t slices = norm_slices(a.rows), each = a.channels / kGroups;
  for (int64_t slice = 0; slice < slices; ++slice) {
    double sum[kGroups][32], square[kGroups][32];
    for (int thread = 0; thread < kThreads; ++thread) {
      const Moments m = norm_thread<T, V>(a, item, slice, thread);
      const int group = norm_group<T, V>(a, thread), member = norm_member<T, V>(a, thread);
      sum[group][member] = static_cast<double>(m.sum);
      square[group][member] = static_cast<double>(m.square);
    }
    for (int group = 0; group < kGroups; ++group) {
      double* const out = norm_sums(a, item, slice, group);
      out[0] = tree_sum(sum[group]);
      out[1] = tree_sum(square[group]);
    }
  }
  for (int group = 0; group < kGroups; ++group) {
    double sum[32] = {}, square[32] = {};
    for (int64_t slice = 0; slice < slices; ++slice) {
      sum[slice % 32] += norm_sums(a, item, slice, group)[0];
      square[slice % 32] += norm_sums(a, item, slice, group)[1];
    }
    const double s = tree_sum(sum), q = tree_sum(square);
    for (int64_t c = 0; c < each; ++c) norm_affine(a, item, group * each + c, s, q);
  }
}

template <class T, int V>
void norm(const NormArgs<T>& a) {
  for (int64_t item = 0; item < a.items; ++item) {
    add_up<T, V>(a, item);
    for (int64_t thread = 0; thread < kThreads; ++thread) norm_apply<T, V>(a, item, thread, kThreads);
  }
}

}  // namespace

template <class T>
void norm_mish_reference(const NormArgs<T>& args) {
  norm_pack<T>(args.channels) == 1 ? norm<T, 1>(args) : norm<T, kWidest<T>>(args);
}

template <class T>
void snake_run_reference(const SnakeRunArgs<T>& args) {
  const int pack = snake_pack<T>(args.channels);
  for (int64_t item = 0; item < args.items; ++item)
    for (int64_t thread = 0; thread < snake_threads(args); ++thread)
      pack == 2 ? snake_thread<T, 2>(args, item, thread) : snake_thread<T, 1>(args, item, thread);
}

template <class T>
void edm_step_reference(const EdmArgs<T>& args) {
  for (int64_t i = 0; i < edm_threads(args); ++i) edm_thread(args, i);
}

template <class T>
void pixels_reference(const PixelArgs<T>& args) {
  const int pack = pixel_pack<T>(args.channels);
  for (int64_t item = 0; item < args.items; ++item)
    for (int64_t i = 0; i < args.rows * args.channels / pack; ++i)
      pack == 1 ? pixel_thread<T, 1>(args, item, i) : pixel_thread<T, kWidest<T>>(args, item, i);
}

template <class T>
void project_reference(const ProjectArgs<T>& args) {
  const int pack = pixel_pack<T>(args.channels);
  for (int64_t item = 0; item < args.items; ++item)
    for (int64_t row = 0; row < args.rows; ++row)
      pack == 1 ? project_thread<T, 1>(args, item, row) : project_thread<T, kWidest<T>>(args, item, row);
}

template <class T>
void attend_keys_reference(const KeysArgs<T>& args) {
  const int64_t slices = attend_slices(args.rows);
  for (int64_t item = 0; item < args.items; ++item)
    for (int64_t slice = 0; slice < slices; ++slice)
      for (int key = 0; key < kKeys; ++key) {
        T* const keys = keys_of(args, item, slice, key / kHeadKeys, key % kHeadKeys);
        float largest = -INFINITY, sum = 0;
        for (int w = 0; w < kKeyWalkers; ++w) largest = std::fmax(largest, keys_largest(args, keys, w));
        for (int w = 0; w < kKeyWalkers; ++w) sum += keys_replace(args, keys, w, largest);
        args.largest[(item * slices + slice) * kKeys + key] = largest;
        args.sum[(item * slices + slice) * kKeys + key] = sum;
      }
}

template <class T>
void attend_fold_reference(const FoldArgs<T>& args) {
  std::vector<float> mean(static_cast<size_t>(args.channels));
  for (int64_t item = 0; item < args.items; ++item)
    for (int key = 0; key < kKeys; ++key) {
      for (int64_t c = 0; c < args.channels; ++c) mean[static_cast<size_t>(c)] = fold_mean(args, item, key, c);
      std::array<float, kHeadKeys> value = {};
      for (int e = 0; e < kHeadKeys; ++e)
        for (int w = 0; w < kKeyWalkers; ++w)
          value[static_cast<size_t>(e)] += fold_value(args, mean.data(), key, w, e);
      for (int64_t c = 0; c < args.channels; ++c) fold_write(args, value.data(), item, key, c);
    }
}

template void norm_mish_reference(const NormArgs<float>&);
template void norm_mish_reference(const NormArgs<uint16_t>&);
template void snake_run_reference(const SnakeRunArgs<float>&);
template void snake_run_reference(const SnakeRunArgs<uint16_t>&);
template void edm_step_reference(const EdmArgs<float>&);
template void edm_step_reference(const EdmArgs<uint16_t>&);
template void pixels_reference(const PixelArgs<float>&);
template void pixels_reference(const PixelArgs<uint16_t>&);
template void project_reference(const ProjectArgs<float>&);
template void project_reference(const ProjectArgs<uint16_t>&);
template void attend_keys_reference(const KeysArgs<float>&);
template void attend_keys_reference(const KeysArgs<uint16_t>&);
template void attend_fold_reference(const FoldArgs<float>&);
template void attend_fold_reference(const FoldArgs<uint16_t>&);

}  // namespace fastsag::model::cuda
