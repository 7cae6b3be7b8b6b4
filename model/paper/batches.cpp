#include "model/paper/batches.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "model/frame_noise.h"
#include "model/torch_device.h"

namespace fastsag::model {
namespace {

// Views [B][..] of one block of memory on the host and one on the device, which one copy fills.
class Staging {
 public:
  struct Field {
    torch::Tensor host, device;
  };
  Staging(GraphStream& stream, torch::Device device, std::vector<std::vector<int64_t>> shapes)
      : shapes_(std::move(shapes)) {
    std::vector<int64_t> ends = {0};
    for (const auto& shape : shapes_) ends.push_back(ends.back() + aligned(count(shape)));
    host_ = stream.pinned({ends.back()});
    device_ = torch::zeros({ends.back()}, torch::TensorOptions(torch::kFloat).device(device));
    for (size_t i = 0; i < shapes_.size(); ++i)
      fields_.push_back({view(host_, ends[i], shapes_[i]), view(device_, ends[i], shapes_[i])});
  }
  const Field& field(size_t i) const { return fields_[i]; }
  void send(GraphStream& stream) { stream.copy(device_, host_); }

 private:
  static int64_t count(const std::vector<int64_t>& shape) {
    return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  }
  static int64_t aligned(int64_t floats) { return (floats + 63) / 64 * 64; }  // as cudaMalloc's are
  static torch::Tensor view(const torch::Tensor& memory, int64_t begin, const std::vector<int64_t>& shape) {
    return memory.narrow(0, begin, count(shape)).view(shape);
  }

  const std::vector<std::vector<int64_t>> shapes_;
  torch::Tensor host_, device_;
  std::vector<Field> fields_;
};

Staging::Field as_integers(const Staging::Field& pairs) {
  return {pairs.host.view(torch::kLong).flatten(), pairs.device.view(torch::kLong).flatten()};
}

// What leaves the device: rows of numbers and, last in each, whether the mel they come from is finite.
torch::Tensor with_verdict(const torch::Tensor& rows, const torch::Tensor& mel) {
  const torch::Tensor finite = torch::isfinite(mel).flatten(1).all(1, /*keepdim=*/true);
  return torch::cat({rows.to(torch::kFloat), finite.to(torch::kFloat)}, 1);
}

}  // namespace

std::string failure_of(const PaperMade& made, int64_t row) {
  const auto of_row = [row](const torch::Tensor& x) { return x.defined() ? x[row] : x; };
  try {
    check_finite({of_row(made.features), of_row(made.translated), of_row(made.mu), of_row(made.mel)});
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// Rooms of one size of batch.
class PaperBatches::Batch {
 public:
  Batch(PaperBatches& all, int rooms_of_it)
      : rooms(rooms_of_it),
        staging_(all.stream_, all.device_, shapes(all, rooms_of_it)),
        all_(all),
        frames_(all.sizes_.frames),
        heard_(staging_.field(0)),
        mel_(staging_.field(1)),
        known_(staging_.field(2)),
        known_frames_(staging_.field(3)),
        begin_(staging_.field(4)),
        seeds_(as_integers(staging_.field(5))),
        first_frames_(as_integers(staging_.field(6))) {
    const int64_t width = all.sizes_.width, bands = all.sizes_.bands;
    inputs_ = {heard_.device, mel_.device,
               torch::zeros({rooms, width, bands}, torch::TensorOptions(torch::kFloat).device(all.device_)),
               known_.device, known_frames_.device};
    composed_ = torch::zeros({rooms, bands, width}, torch::TensorOptions(torch::kFloat).device(all.device_));
    compose_.emplace(all.stream_, [this] {
      made_ = {};
      fill_frame_noise(inputs_.noise, seeds_.device, first_frames_.device);
      all_.networks_.hear(inputs_, made_);
      all_.networks_.condition(inputs_, made_);
      all_.networks_.sample(inputs_, made_);
      composed_.copy_(made_.mel);
    });
    const std::optional<int64_t> reach = all.vocoder_.reach();
    const int64_t slice = reach ? std::min(frames_, kSliceFrames + 2 * *reach) : frames_;
    add_slice(slice);
    if (rooms == 1 && slice < frames_) add_slice(frames_);
  }

  void put(size_t row, const PaperWindow& window) {
    const auto at = static_cast<int64_t>(row);
    if (all_.networks_.wants_features()) heard_.host[at].copy_(all_.networks_.heard(window.voice));
    if (all_.networks_.wants_mel()) mel_.host[at].copy_(mel_of(window.voice).narrow(1, 0, frames_));
    seeds_.host[at].fill_(static_cast<int64_t>(window.seed));
    first_frames_.host[at].fill_(window.first_frame);
    known_frames_.host[at].zero_();
    if (!window.known.defined()) return;
    const int64_t count = window.known.size(1);
    known_.host[at].narrow(1, window.known_begin, count).copy_(window.known);
    known_frames_.host[at].narrow(1, window.known_begin, count).fill_(1);
  }

  // Where the next slice of every room begins.
  void aim(std::span<const int64_t> begins) {
    for (size_t i = 0; i < begins.size(); ++i) begin_.host[static_cast<int64_t>(i)].fill_(begins[i]);
  }

  // From what was put, to mels that stay on the device.
  void compose() {
    staging_.send(all_.stream_);
    compose_->run();
  }

  // The host's copy of a slice: [rooms][..].
  torch::Tensor render(size_t which) {
    Slice& slice = *slices_[which];
    slice.graph->run();
    all_.stream_.copy(slice.host, slice.made);
    all_.stream_.wait();
    return slice.host;
  }
  // Of the same mels another.
  torch::Tensor render_next(size_t which, std::span<const int64_t> begins) {
    aim(begins);
    all_.stream_.copy(begin_.device, begin_.host);
    return render(which);
  }

  // Why the row of what was rendered is of no use; empty: it is.
  std::string failure(int64_t row, const torch::Tensor& rendered) {
    std::string why;
    if (rendered[row][-1].item<float>() != 1) all_.stream_.run([&] { why = failure_of(made_, row); });
    return why;
  }

  size_t slice_for(int64_t frames) const { return frames > useful(0) ? slices_.size() - 1 : 0; }
  int64_t columns(size_t which) const { return slices_[which]->columns; }
  // Frames of a slice that are as if the whole window had been rendered, wherever it lies.
  int64_t useful(size_t which) const {
    return columns(which) == frames_ ? frames_ : columns(which) - 2 * *all_.vocoder_.reach();
  }
  bool recorded() const { return why_eager().empty(); }
  std::string why_eager() const {
    std::string why = compose_->why_eager();
    for (const auto& slice : slices_)
      if (why.empty()) why = slice->graph->why_eager();
    return why;
  }
  int64_t bytes() const {
    int64_t sum = compose_->bytes();
    for (const auto& slice : slices_) sum += slice->graph->bytes();
    return sum;
  }

  const int rooms;

 private:
  struct Slice {
    int64_t columns;
    torch::Tensor made, host;
    std::optional<DeviceGraph> graph;
  };

  static std::vector<std::vector<int64_t>> shapes(PaperBatches& all, int rooms) {
    const PaperSizes& sizes = all.sizes_;
    std::vector<int64_t> heard = {rooms};
    const std::vector<float> silence(10 * kSampleRate);
    if (all.networks_.wants_features())
      for (const int64_t size : all.networks_.heard(silence).sizes()) heard.push_back(size);
    const int64_t mel_rows = all.networks_.wants_mel() ? rooms : 0;
    return {heard,
            {mel_rows, sizes.bands, sizes.frames},
            {rooms, sizes.bands, sizes.width},
            {rooms, 1, sizes.width},
            {rooms},
            {rooms, 2},
            {rooms, 2}};
  }

  void add_slice(int64_t columns) {
    Slice& slice = *slices_.emplace_back(std::make_unique<Slice>());
    slice.columns = columns;
    slice.graph.emplace(all_.stream_, [this, &slice] { slice.made = made_of(slice.columns); });
    slice.host = all_.stream_.pinned(slice.made.sizes());
  }
  torch::Tensor made_of(int64_t columns) {
    torch::Tensor mel = composed_.narrow(2, 0, frames_);
    if (!all_.vocoder_.reach()) return with_verdict(mel.flatten(1), composed_);
    if (columns < frames_) {
      const torch::Tensor first = begin_.device.to(torch::kLong).view({rooms, 1, 1});
      const torch::Tensor index = first + torch::arange(columns, first.options());
      mel = mel.gather(2, index.expand({rooms, mel.size(1), columns}));
    }
    return with_verdict(all_.vocoder_.render(mel), composed_);
  }

  Staging staging_;
  PaperBatches& all_;
  const int64_t frames_;
  const Staging::Field &heard_, &mel_, &known_, &known_frames_, &begin_;
  const Staging::Field seeds_, first_frames_;  // int64, which a pair of floats holds
  PaperInputs inputs_;
  PaperMade made_;
  torch::Tensor composed_;  // the mel, where every slice finds it whether or not the walk to it was recorded
  std::optional<DeviceGraph> compose_;
  std::vector<std::unique_ptr<Slice>> slices_;  // the usual, then the whole window where there is one
};

PaperBatches::PaperBatches(const Preset& preset, torch::Device device, PaperNetworks& networks, Vocoder& vocoder,
                           GraphStream& stream)
    : sizes_(preset.sizes), device_(device), networks_(networks), vocoder_(vocoder), stream_(stream) {
  status_.device = device.str();
}
PaperBatches::~PaperBatches() {
  try {
    stream_.wait();                  // nothing that is under way may lose its memory
  } catch (const std::exception&) {  // the device is lost
  }
}

void PaperBatches::prepare(int most) {
  status_.graphs.clear();
  status_.why_eager.clear();
  status_.remark.clear();
  batches_.clear();
  most_ = kLargestBatch;
  const std::vector<int> sizes = batch_sizes(most);
  for (auto rooms = sizes.rbegin(); rooms != sizes.rend(); ++rooms) {  // the smaller fit into the largest one's memory
    try {
      make(*rooms);
    } catch (const c10::OutOfMemoryError& error) {
      if (*rooms == 1 && batches_.empty()) throw;
      status_.remark =
          "a batch of " + std::to_string(*rooms) + " rooms does not fit into its memory (" + first_line(error) + ")";
    }
  }
  if (status_.remark.empty()) return;
  const int largest = batches_.back()->rooms;
  status_.remark += "; the largest that does is of " + std::to_string(largest);
  if (largest < sizes.back()) most_ = largest;
}

void PaperBatches::make(int rooms) {
  // On the stream, so that what it fills its tensors with comes before what reads them.
  stream_.run([&] { batches_.insert(batches_.begin(), std::make_unique<Batch>(*this, rooms)); });
  const Batch& made = *batches_.front();
  if (made.recorded())
    status_.graphs.insert(status_.graphs.begin(), {made.rooms, made.bytes()});
  else if (status_.why_eager.empty())
    status_.why_eager = made.why_eager();
}

PaperBatches::Batch& PaperBatches::batch(int rooms) {
  if (batches_.empty()) {
    prepare(rooms);
    if (status_.remark.empty()) status_.remark = "batches were not prepared: they were when the first was asked for";
  }
  if (const int largest = batches_.back()->rooms; rooms > largest && status_.remark.empty())
    status_.remark = "a batch of " + std::to_string(rooms) + " rooms was not prepared: they take turns, " +
                     std::to_string(largest) + " at a time";
  std::vector<int> sizes;
  for (const auto& one : batches_) sizes.push_back(one->rooms);
  const auto found = std::ranges::find(sizes, batch_for(sizes, rooms));
  return *batches_[static_cast<size_t>(found - sizes.begin())];
}

void PaperBatches::generate(std::span<const PaperWindow> windows, std::span<PaperSound> sounds) {
  for (size_t done = 0; done < windows.size();) {
    Batch& next = batch(static_cast<int>(windows.size() - done));
    const size_t count = std::min(windows.size() - done, static_cast<size_t>(next.rooms));
    write(next, windows.subspan(done, count), sounds.subspan(done, count));
    (next.recorded() ? status_.replayed : status_.eager) += 1;
    done += count;
  }
}

void PaperBatches::write(Batch& batch, std::span<const PaperWindow> windows, std::span<PaperSound> sounds) {
  for (size_t i = 0; i < windows.size(); ++i) batch.put(i, windows[i]);
  if (vocoder_.reach()) return write_slices(batch, windows, sounds);
  batch.compose();
  const torch::Tensor made = batch.render(0);
  for (size_t i = 0; i < windows.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const PaperWindow& window = windows[i];
    sounds[i] = {{}, batch.failure(row, made)};
    if (!sounds[i].error.empty()) continue;
    const torch::Tensor mel = made[row].narrow(0, 0, sizes_.bands * sizes_.frames).view({sizes_.bands, sizes_.frames});
    sounds[i].audio =
        vocoder_.synthesize(mel.t(), window.first_frame, window.write_begin, window.write_end, window.played);
  }
}

void PaperBatches::write_slices(Batch& batch, std::span<const PaperWindow> windows, std::span<PaperSound> sounds) {
  const int64_t frames = sizes_.frames, reach = *vocoder_.reach();
  // Frames of the window that are still to be rendered of each room.
  std::vector<int64_t> next, end, begins(windows.size());
  int64_t longest = 0;
  for (size_t i = 0; i < windows.size(); ++i) {
    next.push_back(windows[i].write_begin / dsp::kMelHop - windows[i].first_frame);
    end.push_back((windows[i].write_end + dsp::kMelHop - 1) / dsp::kMelHop - windows[i].first_frame);
    if (next[i] < 0 || end[i] > frames) throw Error("the vocoder was asked for sound outside the window");
    longest = std::max(longest, end[i] - next[i]);
    sounds[i] = {};
  }
  const size_t which = batch.slice_for(longest);
  const int64_t columns = batch.columns(which);
  const auto aim = [&] {
    for (size_t i = 0; i < windows.size(); ++i) begins[i] = std::clamp<int64_t>(next[i] - reach, 0, frames - columns);
  };
  aim();
  batch.aim(begins);
  batch.compose();
  const int64_t pieces = (longest + batch.useful(which) - 1) / batch.useful(which);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    if (piece > 0) aim();
    const torch::Tensor made = piece == 0 ? batch.render(which) : batch.render_next(which, begins);
    for (size_t i = 0; i < windows.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (sounds[i].error.empty()) sounds[i].error = batch.failure(row, made);
      const int64_t good = begins[i] + columns == frames ? frames : begins[i] + columns - reach;
      const int64_t last = std::min(end[i], good);
      const float* const from = made[row].const_data_ptr<float>() - begins[i] * dsp::kMelHop;
      if (last > next[i]) sounds[i].audio.insert(sounds[i].audio.end(), from + next[i] * dsp::kMelHop, from + last * dsp::kMelHop);
      next[i] = std::max(next[i], last);
    }
  }
  for (size_t i = 0; i < windows.size(); ++i) {  // the frames' sound, cut to the samples
    std::vector<float>& audio = sounds[i].audio;
    audio.erase(audio.begin(), audio.begin() + windows[i].write_begin % dsp::kMelHop);
    audio.resize(static_cast<size_t>(windows[i].write_end - windows[i].write_begin));
  }
}

}  // namespace fastsag::model
