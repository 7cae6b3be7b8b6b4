#pragma once
// How a net is computed once it is prepared.

namespace fastsag::model {

enum class NetWay {
  own,  // as this project does on the device that the net is on
  gpu,  // as on a GPU, on the CPU too: through the kernels' references, far slower (tests, counting)
};

}  // namespace fastsag::model
