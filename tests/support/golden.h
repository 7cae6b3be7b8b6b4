#pragma once
// Golden tensors (../shared/parity/*.safetensors) and the tolerances that were measured with them.
//
// A golden tensor is the reference's float64 result; `expect_close` holds ours to the `atol` and `rms_atol` that
// tolerances.json has for it, so a test has no tolerance of its own to be lenient with.
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace fastsag::test {

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;  // row-major; integers are converted
};

class Golden {
 public:
  // Of ../shared/parity, without extension: "mel_frontend".
  explicit Golden(const std::string& name);
  static std::filesystem::path path(const std::string& name);

  const Tensor& operator[](const std::string& tensor) const;
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  // Same number of values (the tensor's slice already taken), within both tolerances.
  void expect_close(const std::string& tensor, std::span<const float> values) const;

 private:
  std::string name_;
  std::map<std::string, Tensor> tensors_;
};

// The check alone, for tolerances that come from somewhere else.
void expect_close(const Tensor& golden, std::span<const float> values, double atol, double rms_atol,
                  const std::string& what);

}  // namespace fastsag::test
