#pragma once
// A picture of curves as SVG, one panel a part: what a training run looked like, without any plotting program.
#include <string>
#include <utility>
#include <vector>

namespace fastsag::model {

struct Curve {
  std::string label;
  std::vector<std::pair<double, double>> points;  // ascending x; values that are not finite are left out
};
struct Panel {
  std::string title;
  std::vector<Curve> curves;
};

std::string plot_svg(const std::vector<Panel>& panels);

}  // namespace fastsag::model
