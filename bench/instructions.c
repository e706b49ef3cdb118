/* Switches callgrind's counting on and off from Python, by way of ctypes. Outside of valgrind these
 * requests do nothing. */
#include <valgrind/callgrind.h>

void instructions_start(void);
void instructions_stop(void);

void instructions_start(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void instructions_stop(void)
{
    CALLGRIND_STOP_INSTRUMENTATION;
}
