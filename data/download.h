// Downloads through the system's curl, checked against a published checksum. A stopped transfer
// leaves <name>.part, from which the next one goes on; the final name appears only with the whole
// and right content.
#pragma once

#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace bonsai {

inline constexpr const char* cifar10_url =
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

// Returns at once when the file is there. Throws Error with one line for a failed or cut-off
// transfer, a wrong checksum (the partial file is removed) or a missing curl.
void download(const std::string& url, const std::string& md5,
              const std::filesystem::path& destination, const ProgressCallback& progress = {});

// Where load_dataset("cifar10") looks.
std::filesystem::path cifar10_archive(const std::filesystem::path& cache);

// CIFAR-10's binary version, 162 MiB, with the checksum its authors publish.
std::filesystem::path download_cifar10(const std::string& url, const std::filesystem::path& cache,
                                       const ProgressCallback& progress = {});

}  // namespace bonsai
