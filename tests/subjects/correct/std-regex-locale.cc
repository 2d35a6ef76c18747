/* std::regex, locales, streams: heavy users of small blocks and of static initialisation. */
#include <iostream>
#include <locale>
#include <regex>
#include <sstream>
#include "subject.h"

static std::ostringstream early;
static int started = (early << "early " << 1.5 << ' ', 0);

int main()
{
    std::regex words("([a-z]+)-(\\d{1,3})");
    std::string text = "alpha-1 beta-22 gamma-333 none";
    for (std::sregex_iterator it(text.begin(), text.end(), words), end; it != end; ++it)
        std::cout << (*it)[1] << '=' << (*it)[2] << '\n';
    std::locale global("C");
    std::ostringstream out;
    out.imbue(global);
    out << std::showpoint << 3.25 << ' ' << std::boolalpha << (started == 0);
    std::cout << early.str() << out.str() << std::endl;
}
