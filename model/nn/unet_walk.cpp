#include "model/nn/unet_walk.h"

#include <ATen/Context.h>

namespace fastsag::model {
torch::Tensor edm_table(const EdmOptions& options) {
  const std::vector<cuda::EdmRow> rows = edm_rows(options);
  static_assert(sizeof(cuda::EdmRow) == 4 * sizeof(float));
  torch::Tensor table = torch::empty({std::ssize(rows), 4});
  std::memcpy(table.data_ptr<float>(), rows.data(), rows.size() * sizeof(cuda::EdmRow));
  return table;
}

const UNetWalk::Steps& UNetWalk::steps(const EdmOptions& options, torch::Device device) {
  Steps& own = steps_[{options.steps, options.sigma_max}];
  if (own.table.defined()) return own;
  const at::NoTF32Guard exact;
  const torch::Tensor levels = edm_scale(options).noise.narrow(0, 0, options.steps).to(torch::kFloat);
  own = {edm_table(options).to(device), unet_->cuda()->added(unet_->time(levels.to(device)))};
  return own;
}

torch::Tensor UNetWalk::operator()(const EdmOptions& options, const Inputs& in) {
  const UNetCuda& unet = *unet_->cuda();
  const Steps& own = steps(options, in.noise.device());
  const int64_t rooms = in.noise.size(0), bands = in.noise.size(1), width = in.noise.size(2);
  const int64_t columns = UNetCuda::columns_for(in.frames, width);
  const torch::Tensor mask = (torch::arange(width, in.noise.options()) < in.frames).to(torch::kFloat).unsqueeze(0);
  const UNetCuda::Frames frames = UNetCuda::frames_of(mask, rooms, bands, columns);
  const EdmBuffers buffers{own.table, torch::empty_like(in.noise), in.mu, in.noise, in.known, in.known_frames};
  torch::Tensor raw, image = torch::empty({rooms, 2, bands, columns}, in.noise.options().dtype(unet.type()),
                                          at::MemoryFormat::ChannelsLast);
  for (int64_t row = 0; row < options.steps; ++row) {
    edm_step(buffers, row, raw, frames[0], image);
    raw = unet.evaluate(image, frames, own.added.narrow(0, row, 1), {});
  }
  torch::Tensor none;
  edm_step(buffers, options.steps, raw, frames[0], none);
  return buffers.x;
}

}  // namespace fastsag::model
