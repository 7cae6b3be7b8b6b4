#pragma once
// Opens a sound file to read. Errors: fastsag::Error that names the file and what libsndfile says of it (a handle is
// true even where it could not).
#include <filesystem>
#include <sndfile.hh>

#include "dsp/error.h"

namespace fastsag::model {

inline SndfileHandle open_sound(const std::filesystem::path& file) {
  SndfileHandle sound(file.string());
  if (sound.error() != SF_ERR_NO_ERROR || sound.samplerate() <= 0)
    throw Error(file.string() + " cannot be read as a sound file: " + sound.strError());
  return sound;
}

}  // namespace fastsag::model
