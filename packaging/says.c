/* Prints what the built llama.cpp says of itself, as `DOTPROD = 1`. packaging/wheel runs it under an emulator. */
#include <stdio.h>

const char *llama_print_system_info(void);

int main(void) {
    puts(llama_print_system_info());
    return 0;
}
