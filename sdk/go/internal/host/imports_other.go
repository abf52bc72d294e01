//go:build !wasip1

package host

// Stands for the host where there is none, so that modules and their tests also build for the
// machine they are written on.

const nowhere = "wxec: this function asks its host, and does not run in a wxec module"

func inputLen() uint32                              { panic(nowhere) }
func inputRead(uint32, *byte, uint32) uint32        { panic(nowhere) }
func outputWrite(*byte, uint32)                     { panic(nowhere) }
func errorWrite(*byte, uint32)                      { panic(nowhere) }
func panicReport(*byte, uint32)                     { panic(nowhere) }
func logRecord(int32, *byte, uint32, *byte, uint32) { panic(nowhere) }
func cancelled() int32                              { panic(nowhere) }
func replyLen() uint32                              { panic(nowhere) }
func replyRead(uint32, *byte, uint32) uint32        { panic(nowhere) }
func callStream(int32) int32                        { panic(nowhere) }
func streamRead(int32, *byte, uint32) int32         { panic(nowhere) }
func streamWrite(int32, *byte, uint32) int32        { panic(nowhere) }
func streamSelect(*byte, uint32) int32              { panic(nowhere) }
func streamTimeout(int32, int32, int64) int32       { panic(nowhere) }
func streamClose(int32) int32                       { panic(nowhere) }
func processStart(*byte, uint32) int32              { panic(nowhere) }
func processWait(int32) int32                       { panic(nowhere) }
func processKill(int32, int32) int32                { panic(nowhere) }
func processForget(int32) int32                     { panic(nowhere) }
func netConnect(*byte, uint32) int32                { panic(nowhere) }
func netShutdown(int32, int32) int32                { panic(nowhere) }
func hostFacts() int32                              { panic(nowhere) }
func hostCall(*byte, uint32, *byte, uint32) int32   { panic(nowhere) }
func trap()                                         { panic(nowhere) }
func pointer([]byte) *byte                          { return nil }
