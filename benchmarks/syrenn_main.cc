// Cuts the square [-1, 1]^2 by networks with SyReNN's plane transformers, one thread, and prints a
// line a network: {"cells": polygons, "seconds": CPU seconds}. For benchmarks/float_peers.py, which
// writes them as "layers" and, for each, "out in weights biases", the weights row by row.
//
// At the root of a checkout of 95616ARG/SyReNN whose headers of protocol buffers are generated:
//
//   g++ -std=c++17 -O3 -march=native -DNDEBUG -I. .../benchmarks/syrenn_main.cc \
//     syrenn_server/{upolytope,affine_transformer,fullyconnected_transformer,pwl_transformer,relu_transformer}.cc \
//     -ltbb -o syrenn_plane
//
// and what these files need of protocol buffers and mkldnn; TBB of 2021 and later calls
// `parallel_do` and `parallel_do_feeder` by the names `parallel_for_each` and `feeder`.

#include <time.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <vector>

#include "syrenn_server/fullyconnected_transformer.h"
#include "syrenn_server/relu_transformer.h"
#include "tbb/global_control.h"

static double seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main() {
  tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  size_t count;
  while (std::cin >> count) {
    std::vector<std::unique_ptr<LayerTransformer>> layers;
    for (size_t layer = 0; layer < count; layer++) {
      size_t out, in;
      std::cin >> out >> in;
      RMMatrixXf weights(in, out);
      RMVectorXf biases(out);
      for (size_t i = 0; i < out; i++)
        for (size_t j = 0; j < in; j++) std::cin >> weights(j, i);
      for (size_t i = 0; i < out; i++) std::cin >> biases(i);
      layers.emplace_back(new FullyConnectedTransformer(weights, biases));
      layers.emplace_back(new ReLUTransformer());
    }
    double started = seconds();
    RMMatrixXf square(4, 2);
    square << -1, -1, 1, -1, 1, 1, -1, 1;
    UPolytope found(&square, 2, {{0, 1, 2, 3}});
    for (auto& layer : layers) layer->TransformUPolytope(&found);
    printf("{\"cells\": %zu, \"seconds\": %.9f}\n", found.n_polytopes(), seconds() - started);
    fflush(stdout);
  }
}
