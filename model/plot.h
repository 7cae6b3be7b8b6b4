#pragma once
// A picture of curves as SVG, one panel a part, without any plotting program: what a training run looked like, how cost
// grows.
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
  bool from_zero = false;  // the y axis begins there
};

std::string plot_svg(const std::vector<Panel>& panels);

}  // namespace fastsag::model
