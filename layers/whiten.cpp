#include "layers/whiten.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/augment.h"
#include "engine/error.h"
#include "engine/kernels/lapack.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Sums over patches of x and x x', with all the numbers of a patch in the order of a filter's.
struct Moments {
  explicit Moments(size_t n) : sums(n), products(n * n) {}

  void add(const std::vector<Scalar>& patch) {
    const size_t n = sums.size();
    for (size_t i = 0; i < n; ++i) {
      const double x = double{patch[i]};
      sums[i] += x;
      for (size_t j = 0; j <= i; ++j) products[i * n + j] += x * double{patch[j]};
    }
    ++count;
  }

  void add(const Moments& other) {
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += other.sums[i];
    for (size_t i = 0; i < products.size(); ++i) products[i] += other.products[i];
    count += other.count;
  }

  std::vector<double> covariance() const {
    const size_t n = sums.size();
    const double patches = static_cast<double>(count);
    std::vector<double> matrix(n * n);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        matrix[i * n + j] = matrix[j * n + i] =
            products[i * n + j] / patches - sums[i] / patches * (sums[j] / patches);
      }
    }
    return matrix;
  }

  std::vector<double> sums, products;
  int64_t count = 0;
};

// What a convolution reads at its places.
struct Patches {
  int kh, kw, stride, padding;

  size_t numbers() const {
    return static_cast<size_t>(kh) * static_cast<size_t>(kw) * Images::channels;
  }
};

// Zeros stand for what a patch reads outside the picture.
void add_patches(const std::vector<Scalar>& picture, int height, int width, const Patches& p,
                 Moments& moments) {
  std::vector<Scalar> patch(p.numbers());
  for (int top = -p.padding; top + p.kh <= height + p.padding; top += p.stride) {
    for (int left = -p.padding; left + p.kw <= width + p.padding; left += p.stride) {
      auto to = patch.begin();
      for (int y = top; y < top + p.kh; ++y) {
        for (int x = left; x < left + p.kw; ++x) {
          const bool inside = y >= 0 && y < height && x >= 0 && x < width;
          const int64_t from = (int64_t{y} * width + x) * Images::channels;
          to = inside ? std::copy_n(picture.begin() + from, Images::channels, to)
                      : std::fill_n(to, Images::channels, Scalar{0});
        }
      }
      moments.add(patch);
    }
  }
}

Moments patch_moments(const Images& images, const Normaliser& normaliser, const Patches& patches,
                      int pictures) {
  const size_t n = patches.numbers();
  constexpr int parts = 16;  // added up in order, so that threads do not change the bits
  std::vector<Moments> moments(parts, Moments(n));
  parallel_chunks(parts, [&](int64_t part) {
    std::vector<Scalar> picture(images.image_bytes());
    for (int64_t i = part; i < pictures; i += parts) {
      const int sample = static_cast<int>(i * images.count() / pictures);
      write_sample(images.image(sample), images.height, images.width, {}, Padding::mean, normaliser,
                   picture.data());
      add_patches(picture, images.height, images.width, patches,
                  moments[static_cast<size_t>(part)]);
    }
  });
  for (int part = 1; part < parts; ++part) moments[0].add(moments[static_cast<size_t>(part)]);
  return moments[0];
}

struct FirstLayer {
  Parameter& filters;
  Patches patches;
};

// The convolution that reads the pictures.
FirstLayer first_layer(Graph& graph) {
  std::vector<const Node*> readers;
  for (const Node& node : graph.nodes) {
    if (std::count(node.in.begin(), node.in.end(), graph.input) > 0) readers.push_back(&node);
  }
  require(readers.size() == 1, "whiten: the pictures are read by ", readers.size(),
          " layers, should be by one");
  const Node& reader = *readers[0];
  require(reader.op->name() == "conv2d", "whiten: the first layer is ", reader.op->name(),
          ", should be a convolution");
  require(reader.in.size() == 2, "whiten: the first convolution has a bias, should have none");
  const Attributes attributes = reader.op->attributes();
  const auto attribute = [&](const char* name) {
    return static_cast<int>(std::get<int64_t>(attributes.at(name)));
  };
  require(attribute("groups") == 1 && attribute("dilation") == 1,
          "whiten: the first convolution has groups or dilation, should have neither");
  Parameter& filters = *graph.values[static_cast<size_t>(reader.in[1])].parameter;
  return {filters,
          {.kh = filters.value.dim(1),
           .kw = filters.value.dim(2),
           .stride = attribute("stride"),
           .padding = attribute("padding")}};
}

}  // namespace

void whiten_first_layer(Graph& graph, const Images& images, const std::array<float, 3>& mean,
                        const std::array<float, 3>& deviation, const WhitenOptions& options) {
  const auto [filters, patches] = first_layer(graph);
  const Tensor& w = filters.value;
  const int out = w.dim(0), depth = w.dim(1) * w.dim(2) * w.dim(3);
  require(out % 2 == 0 && out / 2 <= depth, "whiten: the first convolution has ", out,
          " outputs, should be an even number of at most ", 2 * depth);
  require(w.dim(3) == Images::channels && images.height + 2 * patches.padding >= patches.kh &&
              images.width + 2 * patches.padding >= patches.kw,
          "whiten: filters ", w.shape(), " do not read pictures of ", images.height, "x",
          images.width, "x", Images::channels);
  require(options.eps >= 0 && options.pictures >= 1 && images.count() >= 1, "whiten: eps ",
          options.eps, " and ", std::min(options.pictures, images.count()),
          " pictures, should be at least 0 and 1");
  const int pictures = std::min(options.pictures, images.count());
  const Moments moments = patch_moments(images, Normaliser(mean, deviation), patches, pictures);
  std::vector<double> directions = moments.covariance();
  const std::vector<double> values = eigenvectors(depth, directions.data());
  constexpr double rounding = 1e-12;  // of the largest variance: what is smaller may be none
  for (int i = 0; i < out / 2; ++i) {
    const auto k = static_cast<size_t>(i), n = static_cast<size_t>(depth);
    const double variance = std::max(values[k], 0.0) + options.eps;
    require(variance > rounding * values[0], "whiten: the pictures do not vary in ", depth - i,
            " of ", depth, " directions, and eps is 0");
    for (size_t j = 0; j < n; ++j) {
      const auto x = static_cast<Scalar>(directions[k * n + j] / std::sqrt(variance));
      w[k * n + j] = x;
      w[(k + static_cast<size_t>(out / 2)) * n + j] = -x;
    }
  }
  filters.trainable = false;
}

}  // namespace bonsai
