#include "model/torch_device.h"

#include <ATen/Context.h>

#include <array>
#include <cstdio>
#ifdef FASTSAG_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>
#endif

#include "dsp/error.h"
#include "model/accompanist.h"

namespace fastsag::model {
namespace {

std::string gigabytes(int64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f GB", static_cast<double>(bytes) * 1e-9);
  return text.data();
}

std::string version(int cuda) { return std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10); }

// What speaks against it, and what to do; empty: nothing.
std::string problem(const DeviceFacts& facts, int index, int64_t needed_bytes) {
  if (!facts.cuda_built)
    return "this program was built without CUDA; use cpu, or build it where nvcc is (tools/build finds it)";
  if (facts.driver == 0) return "no NVIDIA driver was found; install one, or use cpu";
  if (facts.driver / 1000 < facts.runtime / 1000)
    return "the NVIDIA driver runs CUDA " + version(facts.driver) + " at most, this program needs " +
           version(facts.runtime) + "; update the driver, or use cpu";
  if (facts.devices == 0) return "the driver sees no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES, or use cpu";
  if (index >= facts.devices)
    return "there are " + std::to_string(facts.devices) + " GPUs, cuda:0 to cuda:" + std::to_string(facts.devices - 1);
  if (facts.capability < kOldestCapability)
    return "the " + facts.model + " has compute capability " + std::to_string(facts.capability / 10) + "." +
           std::to_string(facts.capability % 10) + ", this program needs 8.0 or later; use cpu";
  if (!facts.refusal.empty())
    return "the " + facts.model + " cannot be had (" + facts.refusal +
           "); end the program that holds it alone (nvidia-smi lists them, and its compute mode), or use cpu";
  if (facts.free_bytes < needed_bytes)
    return "the " + facts.model + " has " + gigabytes(facts.free_bytes) + " of its " + gigabytes(facts.total_bytes) +
           " free, and about " + gigabytes(needed_bytes) +
           " are needed; end other programs on it (nvidia-smi lists them), or use a smaller preset or cpu";
  return {};
}

#ifdef FASTSAG_CUDA
// What LibTorch keeps of accompanists that are gone: it is free, too.
void give_back_memory() {
  try {
    if (c10::cuda::CUDACachingAllocator::get()->initialized()) c10::cuda::CUDACachingAllocator::emptyCache();
  } catch (const std::exception&) {  // the device is lost, which is said later
  }
}
#endif

torch::Device parsed(const std::string& name) {
  const bool cuda = name == "cuda" || (name.starts_with("cuda:") && name.size() > 5 && name.size() < 8 &&
                                       name.find_first_not_of("0123456789", 5) == std::string::npos);
  if (!cuda && name != "cpu")
    throw Error("device \"" + name + "\" was asked for; expected \"cpu\", \"cuda\" or \"cuda:N\"");
  if (name == "cpu") return torch::kCPU;
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(name == "cuda" ? 0 : std::stoi(name.substr(5)))};
}

}  // namespace

torch::Device torch_device(const std::string& name, const DeviceFacts& facts, int64_t needed_bytes) {
  const torch::Device device = parsed(name);
  if (device.is_cpu()) return device;
  if (const std::string why = problem(facts, device.index(), needed_bytes); !why.empty())
    throw Error("device \"" + name + "\" was asked for, but " + why);
  return device;
}

torch::Device torch_device(const std::string& name, int64_t needed_bytes) {
  const torch::Device device = parsed(name);
  return device.is_cpu() ? device : torch_device(name, device_facts(device.index()), needed_bytes);
}

DeviceFacts device_facts([[maybe_unused]] int index) {
  DeviceFacts facts;
#ifdef FASTSAG_CUDA
  facts.cuda_built = true;
  cudaRuntimeGetVersion(&facts.runtime);
  if (cudaDriverGetVersion(&facts.driver) != cudaSuccess) facts.driver = 0;
  if (cudaGetDeviceCount(&facts.devices) != cudaSuccess) facts.devices = 0;
  cudaDeviceProp properties{};
  size_t free = 0, total = 0;
  if (index < facts.devices && cudaGetDeviceProperties(&properties, index) == cudaSuccess) {
    facts.model = properties.name;
    facts.capability = properties.major * 10 + properties.minor;
    give_back_memory();
    int before = 0;
    cudaGetDevice(&before);
    cudaError_t error = cudaSetDevice(index);
    if (error == cudaSuccess) error = cudaMemGetInfo(&free, &total);
    if (error != cudaSuccess) facts.refusal = cudaGetErrorString(error);
    facts.free_bytes = static_cast<int64_t>(free);
    facts.total_bytes = static_cast<int64_t>(total);
    cudaSetDevice(before);
  }
  cudaGetLastError();  // LibTorch must not find what failed here
#endif
  return facts;
}

void tune_device(torch::Device device) {
  if (!device.is_cuda()) return;
  at::globalContext().setAllowTF32CuBLAS(true);
  at::globalContext().setAllowTF32CuDNN(true);
  at::globalContext().setBenchmarkCuDNN(true);
}

std::string first_line(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

void throw_from_device(torch::Device device, const std::string& what) {
  const std::string where = device.str() + ", " + what + ": ";
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    throw DeviceError(where + "its memory is full (" + first_line(error) +
                      "); end other programs on it (nvidia-smi lists them), lower engine.max_rooms, or use a smaller "
                      "preset");
  } catch (const c10::AcceleratorError& error) {
    throw DeviceError(where + "the device failed or was lost (" + first_line(error) +
                      "); see nvidia-smi and the system's log, then start again");
  } catch (const c10::Error& error) {
    const std::string text = first_line(error);
    for (const char* sign : {"CUDA", "cuDNN", "CUDNN", "CUBLAS", "cuda"})
      if (text.find(sign) != std::string::npos)
        throw DeviceError(where + "the device failed (" + text + "); see nvidia-smi, then start again");
    throw;
  }
}

}  // namespace fastsag::model
