// fastsag: the tools of a person at a terminal. Exit codes: 0 done, 1 failed while working, 2 asked for something
// wrong.
#include <cstdio>
#include <exception>

#include "daemon/cli.h"

int main(int argc, char** argv) {
  using namespace fastsag::daemon;
  CLI::App app("Tools around fastsagd, which makes an accompaniment to a voice.", "fastsag");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every command");
  add_bench(app);
  add_devices(app);
  add_eval(app);
  add_hear(app);
  add_info(app);
  add_probe(app);
  add_render(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "fastsag: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fastsag: %s\n", error.what());
    return 1;
  }
}
