#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>

#include "dsp/error.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using testing::HasSubstr;

// A file of this header text and so many bytes of data; `length` in place of the text's own where it shall lie.
std::vector<std::byte> file_of(std::string_view text, size_t data_bytes, uint64_t length = UINT64_MAX) {
  if (length == UINT64_MAX) length = text.size();
  std::vector<std::byte> bytes(8 + text.size() + data_bytes);
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, text.data(), text.size());
  return bytes;
}

std::string error_of(std::span<const std::byte> bytes, uint64_t file_size) {
  try {
    parse_header(bytes, file_size);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string tensor(std::string_view name, std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":" + std::string(shape) +
         ",\"data_offsets\":" + std::string(offsets) + "}";
}

TEST(Safetensors, ReadsWhatTheFormatDescribes) {
  const auto bytes = file_of("{\"__metadata__\":{\"format\":\"pt\"}," + tensor("b", "F16", "[2,3]", "[8,20]") + "," +
                                 tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("empty", "U8", "[0,7]", "[20,20]") +
                                 "," + tensor("scalar", "I64", "[]", "[20,28]") + "}   ",
                             28);
  const auto header = parse_header(bytes, bytes.size());
  ASSERT_EQ(header.tensors.size(), 4u);
  EXPECT_EQ(header.tensors[0].name, "a");  // in the order of the bytes, not of the header
  EXPECT_EQ(header.metadata.at("format"), "pt");
  EXPECT_EQ(header.find("b")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.find("b")->elements(), 6);
  EXPECT_EQ(header.find("scalar")->elements(), 1);
  EXPECT_EQ(header.find("empty")->elements(), 0);
  EXPECT_EQ(header.find("scalar")->end, bytes.size());
  EXPECT_EQ(header.find("c"), nullptr);
}

struct Hostile {
  const char* why;
  std::string text;
  size_t data_bytes;
  const char* message;
};

TEST(Safetensors, RefusesHeadersThatDoNotDescribeTheFile) {
  const std::string f8 = "[0,8]";
  const std::vector<Hostile> table = {
      {"bytes past the end", "{" + tensor("a", "F32", "[2]", f8) + "}", 7, "truncated"},
      {"offsets that wrap", "{" + tensor("a", "F32", "[2]", "[18446744073709551608,18446744073709551615]") + "}", 8,
       "truncated"},
      {"end before begin", "{" + tensor("a", "U8", "[1]", "[5,4]") + "}", 8, "truncated"},
      {"bytes that belong to nobody", "{" + tensor("a", "F32", "[2]", f8) + "}", 9, "nothing after"},
      {"no tensors but data", "{}", 1, "nothing after"},
      {"hole", "{" + tensor("a", "U8", "[2]", "[0,2]") + "," + tensor("b", "U8", "[2]", "[3,5]") + "}", 5, "hole"},
      {"hole at the start", "{" + tensor("a", "U8", "[2]", "[1,3]") + "}", 3, "hole"},
      {"overlap", "{" + tensor("a", "U8", "[3]", "[0,3]") + "," + tensor("b", "U8", "[3]", "[2,5]") + "}", 5, "inside"},
      {"alias", "{" + tensor("a", "U8", "[3]", "[0,3]") + "," + tensor("b", "U8", "[3]", "[0,3]") + "}", 3, "inside"},
      {"name twice", "{" + tensor("a", "U8", "[0]", "[0,0]") + "," + tensor("a", "U8", "[1]", "[0,1]") + "}", 1,
       "twice"},
      {"key twice", R"({"a":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,1]}})", 1, "twice"},
      {"shape too large for its bytes", "{" + tensor("a", "F32", "[3]", f8) + "}", 8, "takes 12"},
      {"shape too small for its bytes", "{" + tensor("a", "F32", "[1]", f8) + "}", 8, "takes 4"},
      {"product wraps to 0", "{" + tensor("a", "U8", "[4294967296,4294967296]", "[0,0]") + "}", 0, "more elements"},
      {"product wraps to 8", "{" + tensor("a", "U8", "[9223372036854775809,8]", f8) + "}", 8, "more than any file"},
      {"bytes wrap", "{" + tensor("a", "I64", "[2305843009213693953]", f8) + "}", 8, "more than any file"},
      {"negative size", "{" + tensor("a", "U8", "[-1,-8]", f8) + "}", 8, "whole numbers"},
      {"fractional size", "{" + tensor("a", "U8", "[8.0]", f8) + "}", 8, "whole numbers"},
      {"negative offset", "{" + tensor("a", "U8", "[8]", "[-8,0]") + "}", 8, "whole numbers"},
      {"three offsets", "{" + tensor("a", "U8", "[8]", "[0,8,8]") + "}", 8, "[begin, end]"},
      {"shape no list", "{" + tensor("a", "U8", "8", f8) + "}", 8, "list"},
      {"nine dimensions", "{" + tensor("a", "U8", "[1,1,1,1,1,1,1,1,8]", f8) + "}", 8, "at most 8"},
      {"unknown dtype", "{" + tensor("a", "F64", "[1]", f8) + "}", 8, "F64"},
      {"dtype no text", R"({"a":{"dtype":7,"shape":[8],"data_offsets":[0,8]}})", 8, "none of"},
      {"no shape", R"({"a":{"dtype":"U8","data_offsets":[0,8]}})", 8, "exactly"},
      {"something else beside", R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":1}})", 8, "exactly"},
      {"tensor no object", R"({"a":3})", 0, "exactly"},
      {"metadata no object", R"({"__metadata__":[]})", 0, "__metadata__"},
      {"metadata no text", R"({"__metadata__":{"a":1}})", 0, "text"},
      {"no JSON", "{\"a\":", 0, "JSON"},
      {"two documents", "{}{}", 0, "JSON"},
      {"not UTF-8", "{\"\xff\xfe\":{}}", 0, "UTF-8"},
      {"overlong UTF-8", "{\"\xc0\xaf\":{}}", 0, "UTF-8"},
      {"list", "[]", 0, "'{'"},
      {"white space first", " {}", 0, "'{'"},
      {"empty header", "", 0, "'{'"},
      {"deep", "{\"a\":" + std::string(100000, '['), 0, "nests"},
  };
  for (const Hostile& row : table) {
    const auto bytes = file_of(row.text, row.data_bytes);
    EXPECT_THAT(error_of(bytes, bytes.size()), HasSubstr(row.message)) << row.why;
  }
}

TEST(Safetensors, NeverTrustsTheLengthOfTheHeader) {
  const std::string text = "{}";
  for (const uint64_t length :
       {uint64_t{3}, uint64_t{1} << 24, (uint64_t{1} << 24) + 1, uint64_t{1} << 63, UINT64_MAX - 1}) {
    const auto bytes = file_of(text, 0, length);
    EXPECT_THAT(error_of(bytes, bytes.size()), HasSubstr("a header of " + std::to_string(length))) << length;
    EXPECT_THAT(error_of(bytes, UINT64_MAX), HasSubstr("a header of")) << "a lie about the file's size";
  }
  for (size_t size = 0; size < 8; ++size) {
    EXPECT_THAT(error_of(std::vector<std::byte>(size), size), HasSubstr("starts with 8")) << size;
  }
}

TEST(Safetensors, EveryTruncationOfAFileIsRefused) {
  const auto bytes = file_of("{" + tensor("a", "F32", "[2]", "[0,8]") + "}", 8);
  ASSERT_EQ(error_of(bytes, bytes.size()), "no error");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(error_of(std::span(bytes).first(size), size), "no error") << size;
  }
}

// Whatever single byte is damaged: an error or a header whose tensors lie inside the file, never anything else.
TEST(Safetensors, DamagedHeadersGiveAnErrorOrStayInsideTheFile) {
  const auto whole = file_of("{\"__metadata__\":{\"k\":\"v\"}," + tensor("a", "F32", "[2,1]", "[0,8]") + "," +
                                 tensor("bc", "BF16", "[4]", "[8,16]") + "}",
                             16);
  std::mt19937 random(1);
  int accepted = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    auto bytes = whole;
    bytes[random() % (bytes.size() - 16)] = static_cast<std::byte>(random() & 0xff);
    try {
      for (const TensorInfo& info : parse_header(bytes, bytes.size()).tensors) {
        ASSERT_LE(info.begin, info.end);
        ASSERT_LE(info.end, bytes.size());
        ASSERT_EQ(info.end - info.begin, static_cast<uint64_t>(info.elements()) * dtype_bytes(info.dtype));
      }
      ++accepted;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(accepted, 200);    // a changed letter of a name does no harm: about 5 of 190 bytes
  EXPECT_LT(accepted, 10000);  // most damage is seen
}

TEST(Safetensors, WhatWasWrittenIsReadBack) {
  const test::Scratch folder;
  const auto file = folder / "a.safetensors";
  const std::vector<float> numbers = {1.5f, -2, 3e-20f};
  const std::vector<uint8_t> bytes = {1, 2, 3, 4, 5};
  write_safetensors(file,
                    std::vector<TensorBytes>{{"odd", DType::u8, {5}, std::as_bytes(std::span(bytes))},
                                             {"x.\"weight\"", DType::f32, {3, 1}, std::as_bytes(std::span(numbers))}},
                    {{"licence", "MIT \xc3\xa9"}});
  const SafetensorsFile read(file);
  EXPECT_EQ(read.header().metadata.at("licence"), "MIT \xc3\xa9");
  const auto data = read.data(*read.header().find("x.\"weight\""));
  ASSERT_EQ(data.size(), 12u);
  EXPECT_EQ(std::memcmp(data.data(), numbers.data(), 12), 0);
  EXPECT_EQ(read.data(*read.header().find("odd"))[4], std::byte{5});
}

TEST(Safetensors, AFailedWriteLeavesTheOldFileAndNothingBeside) {
  const test::Scratch folder;
  const auto file = folder / "a.safetensors";
  const std::vector<uint8_t> byte = {7};
  const TensorBytes good{"a", DType::u8, {1}, std::as_bytes(std::span(byte))};
  write_safetensors(file, std::vector{good});
  const TensorBytes wrong{"b", DType::f32, {1}, std::as_bytes(std::span(byte))};
  EXPECT_THROW(write_safetensors(file, std::vector{wrong}), Error);
  EXPECT_THROW(write_safetensors(file, std::vector{good, good}), Error);
  std::filesystem::create_directory(folder / "taken");
  EXPECT_THROW(write_safetensors(folder / "taken", std::vector{good}), Error);  // rename fails after all was written
  EXPECT_THROW(write_safetensors(folder / "absent" / "x", std::vector{good}), Error);
  EXPECT_EQ(SafetensorsFile(file).header().tensors.size(), 1u);
  const auto entries = std::distance(std::filesystem::directory_iterator(folder.path()), {});
  EXPECT_EQ(entries, 2);  // the file and the folder that was in the way
}

TEST(Safetensors, MissingEmptyAndForeignFilesAreNamed) {
  const test::Scratch folder;
  for (const auto& path : {folder / "missing", folder.path()}) {
    try {
      const SafetensorsFile file(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
    }
  }
  std::ofstream(folder / "empty").close();
  EXPECT_THROW(SafetensorsFile(folder / "empty"), Error);
  std::ofstream(folder / "text") << "This is a text that somebody renamed to .safetensors";
  EXPECT_THROW(SafetensorsFile(folder / "text"), Error);
}

}  // namespace
}  // namespace fastsag::model
