package rpc

import "sync"

// frameBytes is the largest HTTP/2 frame that gRPC accepts.
const frameBytes = 16 << 10

// buffers lends the transport memory to read frames into. gRPC's own pool clears
// what it lends, which costs a tenth of the time of a large call; here every
// borrower overwrites all of it.
type buffers struct{ idle sync.Pool }

// Get implements mem.BufferPool.
func (p *buffers) Get(length int) *[]byte {
	if length <= frameBytes {
		if b, ok := p.idle.Get().(*[]byte); ok {
			*b = (*b)[:length]
			return b
		}
	}
	b := make([]byte, length, max(length, frameBytes))
	return &b
}

// Put implements mem.BufferPool.
func (p *buffers) Put(b *[]byte) {
	if cap(*b) == frameBytes {
		p.idle.Put(b)
	}
}
