// A task. Call it from the folder above:
//
//     wxec call local: ./NAME::greet you
#include <wxec.hpp>

using namespace wxec;

WXEC_TASK("NAME", greet, "Greets someone.", (String), (name, String))
{
    return "Hello, " + name + "!";
}
