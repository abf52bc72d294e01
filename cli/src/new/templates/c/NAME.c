/* A task. Call it from the folder above:
 *
 *     wxec call local: ./NAME::greet you
 */
#include <wxec.h>

WXEC_TASK("NAME", greet, "Greets someone.", (String), (name, String))
{
    return wxec_join(wxec_join(wxec_text("Hello, "), name), wxec_text("!"));
}
