#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/support/shared.h"

namespace fastsag::test {
namespace {

template <class T>
std::vector<float> to_floats(std::span<const char> bytes) {
  std::vector<float> values(bytes.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<float>(value);
  }
  return values;
}

std::vector<float> decode(const std::string& dtype, std::span<const char> bytes) {
  if (dtype == "F32") return to_floats<float>(bytes);
  if (dtype == "F64") return to_floats<double>(bytes);
  if (dtype == "I16") return to_floats<int16_t>(bytes);
  if (dtype == "I32") return to_floats<int32_t>(bytes);
  if (dtype == "I64") return to_floats<int64_t>(bytes);
  throw std::runtime_error("golden tensor of type " + dtype);
}

nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return nlohmann::json::parse(in);
}

}  // namespace

std::filesystem::path Golden::path(const std::string& name) { return shared("parity") / (name + ".safetensors"); }

Golden::Golden(const std::string& name) : name_(name) {
  std::ifstream in(path(name), std::ios::binary);
  uint64_t header_bytes = 0;
  if (!in.read(reinterpret_cast<char*>(&header_bytes), sizeof header_bytes))
    throw std::runtime_error("cannot read " + path(name).string());
  std::string text(header_bytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  const std::vector<char> data{std::istreambuf_iterator<char>(in), {}};
  const nlohmann::json header = nlohmann::json::parse(text);
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") continue;
    const auto [begin, end] = entry["data_offsets"].get<std::pair<size_t, size_t>>();
    tensors_[key] = {entry["shape"], decode(entry["dtype"], std::span(data).subspan(begin, end - begin))};
  }
}

const Tensor& Golden::operator[](const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) throw std::runtime_error(path(name_).string() + " has no tensor " + tensor);
  return found->second;
}

void Golden::expect_close(const std::string& tensor, std::span<const float> values) const {
  static const nlohmann::json tolerances = read_json(shared("parity") / "tolerances.json");
  const auto& limits = tolerances.at(name_).at(tensor);
  test::expect_close((*this)[tensor], values, limits.at("atol"), limits.at("rms_atol"), name_ + "/" + tensor);
}

void expect_close(const Tensor& golden, std::span<const float> values, double atol, double rms_atol,
                  const std::string& what) {
  ASSERT_EQ(golden.values.size(), values.size()) << what;
  double largest = 0, sum = 0;
  size_t where = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double found = std::abs(double{values[i]} - golden.values[i]);
    const double difference = std::isnan(found) ? std::numeric_limits<double>::infinity() : found;
    if (difference > largest) where = i, largest = difference;
    sum += difference * difference;
  }
  const double rms = std::sqrt(sum / static_cast<double>(std::max<size_t>(values.size(), 1)));
  EXPECT_LE(largest, atol) << what << "[" << where << "] = " << values[where] << ", golden " << golden.values[where];
  EXPECT_LE(rms, rms_atol) << what << ": root mean square difference";
}

}  // namespace fastsag::test
