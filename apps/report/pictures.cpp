// Test pictures with what the network thinks they are and how sure it is.
#include <algorithm>

#include "apps/report/figures.h"
#include "apps/report/text.h"

namespace bonsai::report {
namespace {

std::string probability_bar(const Guess& guess, bool is_truth) {
  const double share = std::clamp(guess.probability, 0.0, 1.0);
  return std::string("<li") + (is_truth ? " class=\"truth\"" : "") + "><span>" +
         escape(guess.label) + "</span><b>" + fixed(100 * share, share > 0.9995 ? 0 : 1) +
         " %</b><i style=\"width:" + fixed(100 * share, 1) + "%\"></i></li>";
}

std::string figure(const Picture& picture) {
  std::string html = std::string("<figure class=\"") + (picture.right() ? "right" : "wrong") +
                     "\"><img alt=\"" + escape(picture.truth) + "\" src=\"data:image/png;base64," +
                     escape(picture.png) + "\"><figcaption>";
  html += picture.right() ? "<em>\u2713 " + escape(picture.truth) + "</em>"
                          : "<em>\u2717 " + escape(picture.truth) + "</em>";
  html += "<ol>";
  for (const Guess& guess : picture.top)
    html += probability_bar(guess, guess.label == picture.truth);
  return html + "</ol></figcaption></figure>";
}

}  // namespace

std::string picture_strip(const ReportData& data) {
  if (data.pictures.empty()) return {};
  std::string html =
      "<p class=\"note\">Under each picture: what it is, and the network's best guesses.</p>"
      "<div class=\"strip\">";
  for (const Picture& picture : data.pictures) html += figure(picture);
  return html + "</div>";
}

}  // namespace bonsai::report
