#include "model/nn/device_ops.h"

#include "model/accompanist.h"
#include "model/cuda/attention.h"
#include "model/cuda/norm_mish.h"
#include "model/cuda/pixels.h"
#include "model/cuda/snake_run.h"
#ifdef FASTSAG_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace fastsag::model {
namespace {

void count(int64_t launches, std::initializer_list<torch::Tensor> tensors) {
  launch_count().launches += launches;
  for (const torch::Tensor& x : tensors)
    if (x.defined()) launch_count().bytes += static_cast<double>(x.nbytes());
}

// body(T* data) with the image's own type.
template <class Body>
void typed(const torch::Tensor& x, const Body& body) {
  if (x.scalar_type() == torch::kFloat)
    body(static_cast<float*>(x.data_ptr()));
  else
    body(static_cast<uint16_t*>(x.data_ptr()));
}

template <class T>
T* same(T*, const torch::Tensor& x) {
  return x.defined() ? static_cast<T*>(x.data_ptr()) : nullptr;
}

float* floats(const torch::Tensor& x) { return x.defined() ? x.data_ptr<float>() : nullptr; }

int64_t item_stride(const torch::Tensor& x) { return x.defined() && x.size(0) > 1 ? x.stride(0) : 0; }

// kernel(stream) where x is on a GPU, else reference().
template <class Kernel, class Reference>
void run([[maybe_unused]] const torch::Tensor& x, [[maybe_unused]] const Kernel& kernel, const Reference& reference) {
#ifdef FASTSAG_CUDA
  if (x.is_cuda()) {
    const c10::cuda::CUDAGuard guard(x.device());
    if (const char* error = kernel(c10::cuda::getCurrentCUDAStream().stream()))
      throw DeviceError(std::string("a kernel on the GPU failed: ") + error);
    return;
  }
#endif
  reference();
}

#ifdef FASTSAG_CUDA
#define FASTSAG_RUN(tensor, name, args) \
  run(                                  \
      tensor, [&](void* stream) { return cuda::name(args, stream); }, [&] { cuda::name##_reference(args); })
#else
#define FASTSAG_RUN(tensor, name, args) run(tensor, 0, [&] { cuda::name##_reference(args); })
#endif

using Ints = std::vector<int64_t>;

// Settings of a convolution along the height and width of an image; of a 1-d one, along the width alone.
template <size_t D>
Ints both(const torch::ExpandingArray<D>& values, int64_t of_height) {
  return D == 2 ? Ints{(*values)[0], (*values)[D - 1]} : Ints{of_height, (*values)[0]};
}

torch::Tensor dense(const torch::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

// [B][rows][C] of an image.
torch::Tensor rows_of(const torch::Tensor& x) {
  return x.permute({0, 2, 3, 1}).reshape({x.size(0), x.size(2) * x.size(3), x.size(1)});
}

}  // namespace

LaunchCount& launch_count() {
  thread_local LaunchCount count;
  return count;
}

template <size_t D>
DeviceConv::DeviceConv(const torch::Tensor& weight, const torch::Tensor& bias_,
                       const torch::nn::detail::ConvNdOptions<D>& options, torch::ScalarType type)
    : bias(bias_.defined() ? bias_.detach().to(torch::kFloat).contiguous()
                           : torch::zeros(options.out_channels(), weight.options().dtype(torch::kFloat))),
      weight_(dense((D == 1 ? weight.unsqueeze(2) : weight).detach().to(type))),
      stride_(both<D>(options.stride(), 1)),
      padding_(both<D>(std::get<torch::ExpandingArray<D>>(options.padding()), 0)),
      dilation_(both<D>(options.dilation(), 1)),
      transposed_(options.transposed()) {}

DeviceConv::DeviceConv(const torch::nn::Conv1d& conv, torch::ScalarType type)
    : DeviceConv(conv->weight, conv->bias, conv->options, type) {}
DeviceConv::DeviceConv(const torch::nn::Conv2d& conv, torch::ScalarType type)
    : DeviceConv(conv->weight, conv->bias, conv->options, type) {}
DeviceConv::DeviceConv(const torch::nn::ConvTranspose1d& conv, torch::ScalarType type)
    : DeviceConv(conv->weight, conv->bias, conv->options, type) {}
DeviceConv::DeviceConv(const torch::nn::ConvTranspose2d& conv, torch::ScalarType type)
    : DeviceConv(conv->weight, conv->bias, conv->options, type) {}

torch::Tensor DeviceConv::operator()(const torch::Tensor& x) const {
  const Ints none = {0, 0};
  return dense(at::convolution(x, weight_, {}, stride_, padding_, dilation_, transposed_, none, 1));
}

void norm_mish(torch::Tensor& x, const DeviceNorm& norm, const DeviceFrames& frames, const DeviceRest& rest) {
  const int64_t items = x.size(0), channels = x.size(1), rows = x.size(2) * x.size(3);
  const torch::Tensor sums =
      torch::empty({items, cuda::norm_slices(rows), cuda::kGroups, 2}, x.options().dtype(torch::kDouble));
  const torch::Tensor affine = torch::empty({items, 2, channels}, x.options().dtype(torch::kFloat));
  typed(x, [&]<class T>(T* data) {
    const cuda::NormArgs<T> args{data,
                                 data,
                                 same(data, rest.residual),
                                 items,
                                 rows,
                                 channels,
                                 x.size(3),
                                 floats(norm.bias),
                                 floats(norm.gain),
                                 floats(norm.move),
                                 floats(rest.extra),
                                 item_stride(rest.extra),
                                 floats(rest.residual_bias),
                                 floats(frames.mask),
                                 item_stride(frames.mask),
                                 rest.mask_residual,
                                 frames.absent,
                                 sums.data_ptr<double>(),
                                 floats(affine),
                                 reinterpret_cast<unsigned*>(frames.arrived.data_ptr<int32_t>())};
    if (!cuda::norm_fits<T>(channels))
      throw Error("group norm of " + std::to_string(channels) + " channels: no kernel");
    FASTSAG_RUN(x, norm_mish, args);
  });
  count(2, {x, x, x, rest.residual});
}

void pixels(const torch::Tensor& x, const PixelRest& rest, torch::Tensor& out) {
  typed(x, [&]<class T>(T* data) {
    const cuda::PixelArgs<T> args{data,
                                  static_cast<T*>(out.data_ptr()),
                                  same(data, rest.other),
                                  floats(rest.bias),
                                  rest.scale,
                                  floats(rest.mask),
                                  item_stride(rest.mask),
                                  x.size(3),
                                  x.size(0),
                                  x.size(2) * x.size(3),
                                  x.size(1)};
    FASTSAG_RUN(x, pixels, args);
  });
  count(1, {x, out, rest.other});
}

torch::Tensor project(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                      const DeviceFrames& frames) {
  const torch::Tensor out = torch::empty({x.size(0), x.size(2), x.size(3)}, x.options().dtype(torch::kFloat));
  typed(x, [&]<class T>(T* data) {
    const cuda::ProjectArgs<T> args{
        data,      floats(out), floats(weight),        floats(bias), floats(frames.mask), item_stride(frames.mask),
        x.size(3), x.size(0),   x.size(2) * x.size(3), x.size(1)};
    FASTSAG_RUN(x, project, args);
  });
  count(1, {x, out});
  return out;
}

torch::Tensor snake_run(const torch::Tensor& x, const DeviceSnake& snake, const torch::Tensor& bias) {
  const torch::Tensor out = torch::empty_like(x);
  typed(x, [&]<class T>(T* data) {
    const cuda::SnakeRunArgs<T> args{data,
                                     static_cast<T*>(out.data_ptr()),
                                     x.size(0),
                                     x.size(2) * x.size(3),
                                     x.size(1),
                                     floats(bias),
                                     floats(snake.alpha),
                                     floats(snake.gain),
                                     floats(snake.up),
                                     floats(snake.down)};
    FASTSAG_RUN(x, snake_run, args);
  });
  count(1, {x, out});
  return out;
}

void attend(torch::Tensor& x, const DeviceAttention& attention, int64_t absent, const torch::Tensor& mask) {
  const torch::Tensor pixel = rows_of(x);
  const int64_t items = pixel.size(0), rows = pixel.size(1), channels = pixel.size(2);
  const int64_t slices = cuda::attend_slices(rows), each = rows / slices;
  const torch::Tensor keys = torch::mm(pixel.reshape({-1, channels}), attention.to_k);
  const torch::Tensor largest = torch::empty({items, slices, cuda::kKeys}, x.options().dtype(torch::kFloat));
  const torch::Tensor sum = torch::empty_like(largest);
  const torch::Tensor fold = torch::empty({items, cuda::kKeys, channels}, x.options(), at::MemoryFormat::Contiguous);
  typed(x, [&]<class T>(T* data) {
    const cuda::KeysArgs<T> args{same(data, keys), floats(largest), floats(sum), items, rows};
    FASTSAG_RUN(x, attend_keys, args);
  });
  const torch::Tensor seen = torch::bmm(keys.view({items * slices, each, cuda::kKeys}).transpose(1, 2),
                                        pixel.reshape({items * slices, each, channels}));
  typed(x, [&]<class T>(T* data) {
    const cuda::FoldArgs<T> args{
        same(data, seen),         floats(largest), floats(sum), same(data, fold), floats(attention.to_v),
        floats(attention.to_out), items,           slices,      channels,         absent};
    FASTSAG_RUN(x, attend_fold, args);
  });
  const torch::Tensor matrix = torch::bmm(attention.to_q.expand({items, channels, cuda::kKeys}), fold);
  const torch::Tensor change = torch::bmm(pixel, matrix);
  count(2, {keys, keys, keys, seen, fold});
  const torch::Tensor other = change.view({items, x.size(2), x.size(3), channels}).permute({0, 3, 1, 2});
  pixels(x, {.other = other, .bias = attention.bias, .mask = mask}, x);
}

torch::Tensor joined(const torch::Tensor& a, const torch::Tensor& b) { return dense(torch::cat({a, b}, 1)); }

void edm_step(const EdmBuffers& buffers, int64_t row, const torch::Tensor& raw, const DeviceFrames& frames,
              torch::Tensor& image) {
  const auto step = [&]<class T>(T* data) {
    const cuda::EdmArgs<T> args{reinterpret_cast<const cuda::EdmRow*>(floats(buffers.table)) + row,
                                row == 0 ? floats(buffers.noise) : floats(buffers.x),
                                floats(raw),
                                floats(buffers.x),
                                data,
                                buffers.x.size(0),
                                buffers.x.size(1),
                                buffers.x.size(2),
                                frames.mask.size(1),
                                floats(buffers.mu),
                                floats(frames.mask),
                                item_stride(frames.mask),
                                floats(buffers.known),
                                floats(buffers.known_mask),
                                floats(buffers.noise)};
    FASTSAG_RUN(buffers.x, edm_step, args);
  };
  if (image.defined())
    typed(image, step);
  else
    step(static_cast<float*>(nullptr));
  count(1, {buffers.x, buffers.x, buffers.mu, raw, image, buffers.known, buffers.known});
}

}  // namespace fastsag::model
