#include "model/eval/frechet.h"

#include "dsp/error.h"

namespace fastsag::model {

void Gaussian::add(const torch::Tensor& frames) {
  if (frames.size(0) == 0) return;
  Gaussian part;
  const torch::Tensor x = frames.to(torch::kCPU, torch::kFloat64);
  part.frames_ = x.size(0);
  part.mean_ = x.mean(0);
  const torch::Tensor centred = x - part.mean_;
  part.scatter_ = centred.t().matmul(centred);
  add(part);
}

void Gaussian::add(const Gaussian& other) {
  if (other.frames_ == 0) return;
  if (frames_ == 0) {
    frames_ = other.frames_;
    mean_ = other.mean_.to(torch::kFloat64);
    scatter_ = other.scatter_.to(torch::kFloat64, false, true);  // a copy: it is added to in place
    return;
  }
  if (other.dimensions() != dimensions()) {
    throw Error("features of " + std::to_string(other.dimensions()) + " dimensions among such of " +
                std::to_string(dimensions()) + "; an embedder has to give the same number for every sound");
  }
  // Chan, Golub, LeVeque 1979: stable however the frames are cut into parts.
  const auto n = static_cast<double>(frames_), m = static_cast<double>(other.frames_);
  const torch::Tensor difference = other.mean_.to(torch::kFloat64) - mean_;
  scatter_.add_(other.scatter_).add_(torch::outer(difference, difference), n * m / (n + m));
  mean_ = mean_ + difference * (m / (n + m));
  frames_ += other.frames_;
}

torch::Tensor Gaussian::covariance() const {
  if (frames_ < 2) {
    throw Error("a set of " + std::to_string(frames_) +
                " frames has no covariance; expected two at least, and many more "
                "for a distance that means something");
  }
  return scatter_.to(torch::kFloat64) / static_cast<double>(frames_ - 1);
}

Gaussian Gaussian::compact() const {
  Gaussian half = *this;
  if (frames_ == 0) return half;
  half.mean_ = mean_.to(torch::kFloat32);
  half.scatter_ = scatter_.to(torch::kFloat32);
  return half;
}

FrechetReference::FrechetReference(const Gaussian& reference) : mean_(reference.mean()) {
  const torch::Tensor covariance = reference.covariance();
  // Any F with F F^T = C will do. Cholesky's is the cheapest; of a set that does not span its dimensions there is none.
  const auto [factor, failed] = torch::linalg_cholesky_ex(covariance);
  if (failed.item<int>() == 0) {
    root_ = factor;
  } else {
    const auto [values, vectors] = torch::linalg_eigh(covariance);
    root_ = vectors.mul(values.clamp_min(0).sqrt());  // a covariance has no negative eigenvalue but by rounding
  }
  trace_ = covariance.trace().item<double>();
}

double FrechetReference::distance(const Gaussian& other) const {
  const torch::Tensor covariance = other.covariance();
  if (covariance.sizes() != root_.sizes()) {
    throw Error("features of " + std::to_string(covariance.size(0)) + " dimensions against such of " +
                std::to_string(root_.size(0)));
  }
  // F^T C2 F has the eigenvalues of F F^T C2 = C1 C2 and is symmetric: they are real, whatever the rank.
  const torch::Tensor product = root_.t().matmul(covariance).matmul(root_);
  const double cross = torch::linalg_eigvalsh((product + product.t()) / 2).clamp_min(0).sqrt().sum().item<double>();
  const double means = (other.mean() - mean_).square().sum().item<double>();
  return means + trace_ + covariance.trace().item<double>() - 2 * cross;
}

}  // namespace fastsag::model
