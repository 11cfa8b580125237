// Checked reads of JavaScript arguments: a TypeError or a RangeError before any system call.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mfc.h"

namespace mcroute::arguments {

[[noreturn]] inline void throwType(const Napi::Value& value, const char* name, const char* expected) {
  throw Napi::TypeError::New(value.Env(), std::string(name) + " must be " + expected);
}

[[noreturn]] inline void throwRange(Napi::Env env, const std::string& message) {
  throw Napi::RangeError::New(env, message);
}

inline std::uint32_t integer(const Napi::Value& value, const char* name, std::uint32_t min, std::uint32_t max) {
  if (!value.IsNumber()) throwType(value, name, "a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= min && number <= max) || number != std::trunc(number)) {
    throwRange(value.Env(),
               std::string(name) + " must be an integer from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return static_cast<std::uint32_t>(number);
}

inline int descriptor(const Napi::Value& value, const char* name) {
  return static_cast<int>(integer(value, name, 0, INT32_MAX));
}

inline std::uint32_t vif(const Napi::Value& value) { return integer(value, "vif", 0, kVifLimit - 1); }

inline std::uint32_t ifindex(const Napi::Value& value) { return integer(value, "ifindex", 1, INT32_MAX); }

inline Family family(const Napi::Value& value) {
  const std::uint32_t number = integer(value, "family", 4, 6);
  if (number == 5) throwRange(value.Env(), "family must be 4 or 6");
  return static_cast<Family>(number);
}

inline bool boolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) throwType(value, name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

inline Napi::Function function(const Napi::Value& value, const char* name) {
  if (!value.IsFunction()) throwType(value, name, "a function");
  return value.As<Napi::Function>();
}

/// Text without a zero, which would end it early in the kernel.
inline std::string text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throwType(value, name, "a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) throwRange(value.Env(), std::string(name) + " must not hold a zero byte");
  return text;
}

/// The words of a Uint32Array of whole records; they last as long as the call.
inline std::span<const std::uint32_t> words(const Napi::Value& value, const char* name, std::size_t recordWords) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    throwType(value, name, "a Uint32Array");
  }
  const auto array = value.As<Napi::Uint32Array>();
  if (array.ElementLength() % recordWords != 0) {
    throwRange(value.Env(), std::string(name) + " must hold a multiple of " + std::to_string(recordWords) + " words");
  }
  return {array.Data(), array.ElementLength()};
}

/// An address of four words; IPv4 uses the first.
inline Address address(Family family, const Napi::Value& value, const char* name) {
  const auto read = words(value, name, kAddressWords);
  if (read.size() != kAddressWords) throwRange(value.Env(), std::string(name) + " must hold 4 words");
  return readAddress(family, read.first<kAddressWords>());
}

/// Records of mfc entries whose operation is one of the first `operations` and whose parent is a vif number.
inline std::span<const std::uint32_t> mfcRecords(const Napi::Value& value, std::uint32_t operations) {
  const auto records = words(value, "records", kMfcRecordWords);
  for (std::size_t at = 0; at < records.size(); at += kMfcRecordWords) {
    if (records[at] < 1 || records[at] > operations) {
      throwRange(value.Env(), "operation of a record must be from 1 to " + std::to_string(operations));
    }
    if (records[at + 1] >= kVifLimit) throwRange(value.Env(), "parent of a record must be below 32");
  }
  return records;
}

inline std::span<const std::uint8_t> bytes(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throwType(value, name, "a Uint8Array");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ElementLength()};
}

/// An array of at most `limit` integers from 0 to the largest int.
inline std::vector<int> integers(const Napi::Value& value, const char* name, std::uint32_t limit) {
  if (!value.IsArray()) throwType(value, name, "an array");
  const auto array = value.As<Napi::Array>();
  const std::uint32_t length = array.Length();
  if (length > limit) throwRange(value.Env(), std::string(name) + " must hold at most " + std::to_string(limit));
  std::vector<int> integers;
  integers.reserve(length);
  for (std::uint32_t at = 0; at < length; ++at) integers.push_back(descriptor(array.Get(at), name));
  return integers;
}

}  // namespace mcroute::arguments
