// fastsagd: listens to singers and plays their accompaniment until SIGTERM. Exit codes: 0 ended as asked, 1 failed
// while working, 2 a configuration that cannot be.
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <thread>

#include "daemon/audio_device.h"
#include "daemon/config.h"
#include "daemon/engine.h"
#include "daemon/midi.h"
#include "daemon/service.h"
#include "daemon/standby.h"
#include "daemon/ws_server.h"
#include "dsp/error.h"
#include "model/accompanist.h"

namespace fastsag::daemon {
namespace {

constexpr time_t kSuperviseEvery_s = 1;

model::AccompanistOptions model_options(const ModelConfig& config) {
  model::AccompanistOptions options{
      .preset = config.preset, .device = config.device, .preset_dir = config.preset_dir, .threads = config.threads};
  if (config.steps > 0) options.steps = config.steps;
  return options;
}

// On an accelerator the CPU stands by.
std::unique_ptr<model::Accompanist> load_player(const ModelConfig& config, Clock& clock, Standby*& standby) {
  const auto load = [options = model_options(config)] { return model::load_accompanist(options); };
  if (config.device == "cpu") return load();
  const model::AccompanistOptions lite{.preset_dir = config.preset_dir, .threads = config.threads};
  auto player = std::make_unique<Standby>(load, model::load_accompanist(lite), clock);
  standby = player.get();
  return player;
}

// The network server, the sound card and MIDI, as configured: each makes its Service here.
std::vector<std::unique_ptr<Service>> make_services(const Config& config, Engine& engine, Clock& clock) {
  std::vector<std::unique_ptr<Service>> services;
  const AudioDevice* stage = nullptr;
  if (config.audio.input != "none" || config.audio.output != "none") {
    auto device = std::make_unique<AudioDevice>(engine, config);
    stage = device.get();
    services.push_back(std::move(device));
  }
  // After the sound card, whose rate and latency it asks for.
  if (config.midi.input != "none" || config.midi.output != "none")
    services.push_back(std::make_unique<Midi>(engine, clock, config, stage));
  services.push_back(std::make_unique<WsServer>(engine, config));
  return services;
}

// Signals are taken by sigtimedwait() on the control thread alone; every other thread inherits the mask.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return set;
}

// What changed, to rooms that are open: what people set meanwhile stays otherwise.
void apply(const Config& running, const Config& fresh, Engine& engine) {
  for (const auto& room : engine.rooms()) {
    auto port = room->command_port();
    if (fresh.engine.mode != running.engine.mode) port.send(SetMode{fresh.engine.mode});
    if (fresh.engine.accompaniment_gain_db != running.engine.accompaniment_gain_db)
      port.send(SetGain{fresh.engine.accompaniment_gain_db});
    if (fresh.model.seed != running.model.seed) port.send(SetSeed{fresh.model.seed});
    if (fresh.model.style != running.model.style) port.send(SetStyle{fresh.model.style});
    if (fresh.model.temperature != running.model.temperature) port.send(SetTemperature{fresh.model.temperature});
    if (fresh.model.density != running.model.density) port.send(SetDensity{fresh.model.density});
    if (fresh.model.loudness != running.model.loudness) port.send(SetLoudness{fresh.model.loudness});
    if (fresh.model.key != running.model.key) port.send(SetKey{fresh.model.key});
    const auto &chart = fresh.model.chart, &old = running.model.chart;  // the file may say something else now
    if (chart && old ? *chart != *old : chart != old) port.send(SetChart{chart});
  }
}

void reload(const std::string& file, std::span<const std::string> overrides, Config& config, Engine& engine,
            std::span<const std::unique_ptr<Service>> services) {
  try {
    Config fresh = load_config(file, overrides);
    for (const auto& key : needs_restart(config, fresh))
      spdlog::warn("{} has changed; it takes effect after a restart", key);
    apply(config, fresh, engine);
    for (const auto& service : services) service->reload(fresh);
    config = std::move(fresh);
    spdlog::info("the configuration was read again");
  } catch (const Error& error) {
    spdlog::error("the new configuration is not used:\n{}", error.what());
  }
}

int run(const std::string& file, std::span<const std::string> overrides, Config config) {
  const sigset_t signals = block_signals();
  SystemClock clock;
  Standby* standby = nullptr;
  const auto accompanist = load_player(config.model, clock, standby);
  model::check_style(*accompanist, config.model.style);
  const ModelConfig& asked = config.model;
  if (const ModelConfig usual;
      !accompanist->has_plan() && (asked.temperature != usual.temperature || asked.density != usual.density ||
                                   asked.loudness != usual.loudness || asked.key || asked.chart))
    spdlog::warn("preset {} {}", accompanist->preset(), model::kNeedsPlan);
  Engine engine(*accompanist, clock, {.max_batch = config.engine.max_rooms, .max_rooms = config.engine.max_rooms});
  engine.prepare();
  std::jthread generation([&engine](std::stop_token stop) { engine.run(stop); });

  auto services = make_services(config, engine, clock);
  size_t started = 0;
  int exit_code = 0;
  try {
    for (; started < services.size(); ++started) spdlog::info(services[started]->start());
    bool healthy = true;
    for (bool running = true; running && exit_code == 0;) {
      const timespec patience{kSuperviseEvery_s, 0};
      const int signal = sigtimedwait(&signals, nullptr, &patience);
      if (signal == SIGHUP) reload(file, overrides, config, engine, services);
      if (signal == SIGTERM || signal == SIGINT) running = false;
      if (standby) standby->tend();
      const Health health = engine.healthy();
      if (healthy && !health.ok) spdlog::error("not healthy: {}", health.reason);
      if (!healthy && health.ok) spdlog::info("healthy again");
      healthy = health.ok;
      for (const auto& service : services) {
        const std::string failure = service->failure();
        if (failure.empty()) continue;
        spdlog::error(failure);
        exit_code = 1;
      }
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "fastsagd: %s\n", error.what());
    exit_code = 1;
  }
  while (started > 0) services[--started]->stop();
  spdlog::info("stopped");
  return exit_code;
}

}  // namespace
}  // namespace fastsag::daemon

int main(int argc, char** argv) {
  using namespace fastsag;
  CLI::App app("Listens to singers and plays the accompaniment that it makes up.", "fastsagd");
  std::string file, preset;
  std::vector<std::string> overrides;
  bool check = false;
  app.add_option("--config", file, "A TOML file; without one, browsers on this machine are served");
  app.add_option("--set", overrides, "section.key=value, in place of the file's; may be given again")
      ->allow_extra_args(false);
  app.add_option("--preset", preset, "Short for --set model.preset=NAME (or the path of a preset's .toml)");
  app.add_flag("--check", check, "Only say what is wrong with the configuration");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!preset.empty()) overrides.push_back("model.preset=" + preset);
  daemon::Config config;
  try {
    config = daemon::load_config(file, overrides);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  if (check) {
    std::puts("the configuration is fine");
    return 0;
  }
  try {
    return daemon::run(file, overrides, std::move(config));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fastsagd: %s\n", error.what());
    return 1;
  }
}
