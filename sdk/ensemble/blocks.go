package ensemble

import (
	"sync"
	"sync/atomic"

	"github.com/plume-da/plume/sdk/pace"
)

// InBlocks distributes the numbers from 0 to n-1, rows or columns of a matrix, over all
// processors in consecutive blocks of at most width, and returns when all are done.
// It calls worker once for each processor that it uses, and the function that worker
// returns for one block after the other, so that buffers made in worker are reused. A
// single block runs without a goroutine. Which processor gets which block is not
// determined: the result for a block must not depend on it.
func InBlocks(n, width int, worker func() func(from, to int)) {
	blocks := (n + width - 1) / width
	var next atomic.Int64
	take := func() int { return int(next.Add(1)) - 1 }
	work := func() {
		b := take()
		if b >= blocks {
			return // nothing is left, and buffers would be made in vain
		}
		for do := worker(); b < blocks; b = take() {
			do(b*width, min(n, (b+1)*width))
		}
	}
	var wg sync.WaitGroup
	for range min(blocks, pace.Processors()) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
