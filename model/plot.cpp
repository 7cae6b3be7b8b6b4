#include "model/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace fastsag::model {
namespace {

constexpr double kWidth = 720, kHeight = 260, kLeft = 64, kRight = 130, kTop = 34, kBottom = 30;
constexpr std::array<const char*, 8> kColours = {"#3366cc", "#dc3912", "#109618", "#ff9900",
                                                 "#990099", "#0099c6", "#dd4477", "#66aa00"};

std::string number(double value, const char* format = "%.2f") {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string label(double x, double y, const std::string& text, const char* anchor, const char* colour = "#444") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\" fill=\"" + colour +
         "\">" + escaped(text) + "</text>\n";
}

struct Range {
  double low = INFINITY, high = -INFINITY;
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void widen() {
    if (!(low <= high)) low = 0, high = 1;
    if (high - low < 1e-12 * std::max(1.0, std::abs(high))) low -= 0.5, high += 0.5;
  }
  double share(double value) const { return (value - low) / (high - low); }
};

std::string panel_svg(const Panel& panel, double top) {
  Range xs, ys;
  for (const Curve& curve : panel.curves) {
    for (const auto& [x, y] : curve.points) {
      if (std::isfinite(x) && std::isfinite(y)) xs.take(x), ys.take(y);
    }
  }
  if (panel.from_zero) ys.take(0);
  xs.widen();
  ys.widen();
  const double plot_width = kWidth - kLeft - kRight, plot_height = kHeight - kTop - kBottom;
  const auto to_x = [&](double x) { return kLeft + plot_width * xs.share(x); };
  const auto to_y = [&](double y) { return top + kTop + plot_height * (1 - ys.share(y)); };

  std::string svg = "<text x=\"" + number(kLeft) + "\" y=\"" + number(top + 20) + "\" font-weight=\"bold\">" +
                    escaped(panel.title) + "</text>\n";
  for (int i = 0; i <= 4; ++i) {
    const double y = ys.low + (ys.high - ys.low) * i / 4, x = xs.low + (xs.high - xs.low) * i / 4;
    svg += "<line x1=\"" + number(kLeft) + "\" x2=\"" + number(kLeft + plot_width) + "\" y1=\"" + number(to_y(y)) +
           "\" y2=\"" + number(to_y(y)) + "\" stroke=\"#ddd\"/>\n";
    svg += label(kLeft - 6, to_y(y) + 4, number(y, "%.3g"), "end");
    svg += label(to_x(x), top + kHeight - 12, number(x, "%.5g"), "middle");
  }
  for (size_t i = 0; i < panel.curves.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    svg += "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"" + std::string(colour) + "\" points=\"";
    for (const auto& [x, y] : panel.curves[i].points) {
      if (std::isfinite(x) && std::isfinite(y)) svg += number(to_x(x)) + "," + number(to_y(y)) + " ";
    }
    svg += "\"/>\n";
    svg += label(kLeft + plot_width + 10, top + kTop + 14 + 16 * static_cast<double>(i), panel.curves[i].label, "start",
                 colour);
  }
  return svg;
}

}  // namespace

std::string plot_svg(const std::vector<Panel>& panels) {
  const double height = kHeight * static_cast<double>(std::max<size_t>(1, panels.size()));
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(kWidth, "%.0f") + "\" height=\"" +
                    number(height, "%.0f") + "\" font-family=\"sans-serif\" font-size=\"12\">\n" +
                    "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  for (size_t i = 0; i < panels.size(); ++i) svg += panel_svg(panels[i], kHeight * static_cast<double>(i));
  return svg + "</svg>\n";
}

}  // namespace fastsag::model
