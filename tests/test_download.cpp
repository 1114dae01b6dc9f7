// Downloads, from a small server on this machine: right and wrong content, transfers that break
// off and go on, and what stays on the disk in each case.
#include "data/download.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "data/md5.h"
#include "data/process.h"
#include "engine/error.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/pictures.h"
#include "tests/temporary_folder.h"

namespace bonsai {
namespace {

namespace fs = std::filesystem;

std::string content() {
  std::string text;
  for (int i = 0; text.size() < 100000; ++i) text += std::to_string(i * i) + " ";
  return text;
}

std::string md5_of(const std::string& text) {
  Md5 md5;
  md5.add(text.data(), text.size());
  return md5.hex();
}

// Answers one request after another: /good with the content, /cut with half of what it announced
// (or of what was still wanted), /stubborn likewise but knows no ranges, all else with 404.
class Server {
 public:
  Server() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    require(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    require(listen(listener_, 8) == 0, "listen");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    close(listener_);
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::string last_range() const {
    const std::lock_guard lock(mutex_);
    return last_range_;
  }

 private:
  void serve() {
    for (;;) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = recv(connection, buffer, sizeof buffer, 0);
        if (n <= 0) break;
        request.append(buffer, static_cast<size_t>(n));
      }
      send_all(connection, answer(request));
      shutdown(connection, SHUT_RDWR);
      close(connection);
    }
  }

  static void send_all(int connection, const std::string& text) {
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = send(connection, text.data() + done, text.size() - done, MSG_NOSIGNAL);
      if (n <= 0) return;
      done += static_cast<size_t>(n);
    }
  }

  std::string answer(const std::string& request) {
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    if (path != "/good" && path != "/cut" && path != "/stubborn") {
      return "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope";
    }
    std::string body = content(), status = "200 OK", extra;
    const size_t range = request.find("Range: bytes=");
    {
      const std::lock_guard lock(mutex_);
      last_range_ = range == std::string::npos
                        ? ""
                        : request.substr(range + 13, request.find('\r', range) - range - 13);
      if (!last_range_.empty() && path != "/stubborn") {
        const size_t from = std::stoul(last_range_);
        if (from >= body.size()) {
          return "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: "
                 "close\r\n\r\n";
        }
        extra = "Content-Range: bytes " + std::to_string(from) + "-" +
                std::to_string(body.size() - 1) + "/" + std::to_string(body.size()) + "\r\n";
        body = body.substr(from);
        status = "206 Partial Content";
      }
    }
    const std::string head = "HTTP/1.1 " + status + "\r\n" + extra +
                             "Content-Length: " + std::to_string(body.size()) +
                             "\r\nConnection: close\r\n\r\n";
    return head + (path == "/cut" ? body.substr(0, body.size() / 2) : body);
  }

  int listener_ = -1, port_ = 0;
  mutable std::mutex mutex_;
  std::string last_range_;
  std::thread thread_;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

size_t files_in(const std::string& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

bool no_curl() {
  return !error_of([] { run_program({"curl", "--version"}); }).empty();
}

}  // namespace

TEST_CASE("MD5 of RFC 1321's test suite, in pieces of any size") {
  CHECK(md5_of("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_of("abc") == "900150983cd24fb0d6963f7d28e17f72");
  const std::string digits =
      "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
  CHECK(md5_of(digits) == "57edf4a22be3c955ac49da2e2107b67a");
  for (const size_t piece : {1, 7, 63, 64, 65}) {
    Md5 md5;
    for (size_t at = 0; at < digits.size(); at += piece) {
      md5.add(digits.data() + at, std::min(piece, digits.size() - at));
    }
    CHECK(md5.hex() == "57edf4a22be3c955ac49da2e2107b67a");
  }
  const TemporaryFolder folder;
  put_text(folder / "x", digits);
  CHECK(file_md5(folder / "x") == md5_of(digits));
  CHECK_THROWS_AS(file_md5(folder / "none"), Error);
}

TEST_CASE("a download arrives whole, with progress, and is not fetched twice") {
  if (no_curl()) return skip("curl is not installed");
  const Server server;
  const TemporaryFolder folder;
  const std::string path = folder / "new folder/file";
  int64_t done = 0, total = 0;
  const auto progress = [&](const DataProgress& p) {
    done = std::max(done, p.done);
    total = std::max(total, p.total);
  };
  download(server.url("/good"), md5_of(content()), path, progress);
  CHECK(text_of(path) == content());
  CHECK(files_in(folder / "new folder") == 1);
  CHECK(done == static_cast<int64_t>(content().size()));
  CHECK(total == done);
  CHECK_NOTHROW(download(server.url("/gone"), md5_of("other"), path));
}

TEST_CASE("a wrong checksum leaves nothing behind") {
  if (no_curl()) return skip("curl is not installed");
  const Server server;
  const TemporaryFolder folder;
  const std::string error =
      error_of([&] { download(server.url("/good"), md5_of("something else"), folder / "file"); });
  CHECK(contains(error, "checksum (MD5) is " + md5_of(content())));
  CHECK(!contains(error, "\n"));
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("a transfer that breaks off goes on from there the next time") {
  if (no_curl()) return skip("curl is not installed");
  const Server server;
  const TemporaryFolder folder;
  const std::string path = folder / "file", md5 = md5_of(content());
  const std::string error = error_of([&] { download(server.url("/cut"), md5, path); });
  CHECK(contains(error, "cut off after"));
  CHECK(!fs::exists(path));
  const size_t half = content().size() / 2;
  CHECK(text_of(path + ".part").size() == half);
  download(server.url("/good"), md5, path);
  CHECK(server.last_range() == std::to_string(half) + "-");
  CHECK(text_of(path) == content());
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a partial file that cannot be continued is fetched anew") {
  if (no_curl()) return skip("curl is not installed");
  const Server server;
  const TemporaryFolder folder;
  const std::string path = folder / "file", md5 = md5_of(content());
  put_text(path + ".part", content().substr(0, 1000));
  download(server.url("/stubborn"), md5, path);
  CHECK(text_of(path) == content());
  fs::remove(path);
  put_text(path + ".part", content() + "too much");
  download(server.url("/good"), md5, path);
  CHECK(text_of(path) == content());
  fs::remove(path);
  put_text(path + ".part", "of another file");
  download(server.url("/good"), md5, path);
  CHECK(text_of(path) == content());
  fs::remove(path);
  put_text(path + ".part", content());  // complete: only the renaming was missed
  download(server.url("/gone"), md5, path);
  CHECK(text_of(path) == content());
}

TEST_CASE("an address without the file, or without a server, is said in one line") {
  if (no_curl()) return skip("curl is not installed");
  const TemporaryFolder folder;
  std::string dead;
  {
    const Server server;
    const std::string error =
        error_of([&] { download_cifar10(server.url("/gone"), folder.path()); });
    CHECK(contains(error, "404"));
    CHECK(!contains(error, "\n"));
    dead = server.url("/good");
  }
  CHECK(contains(error_of([&] { download(dead, md5_of(""), folder / "file"); }), "download: http"));
  CHECK(!fs::exists(cifar10_archive(folder.path())));
  CHECK(!fs::exists(folder / "file"));
}

}  // namespace bonsai
