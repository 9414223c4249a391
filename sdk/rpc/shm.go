package rpc

import (
	"context"
	"crypto/rand"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
)

// featureShared is the feature of plugins that take large payloads from memory
// shared with the host, and put theirs there. Its numbers are part of it.
const (
	featureShared = "shm.v1"

	slots     = 3 // in each direction: one that is filled, one that is emptied, and one for delays
	slotBytes = maxPayload

	nameBytes   = 64 // of the head; then come the generations of the slots
	stride      = 64 // between generations: a cache line, so that two do not slow each other down
	headBytes   = 4 << 10
	sharedBytes = headBytes + 2*slots*slotBytes
)

// leastShared is the smallest payload that goes through shared memory. Below it
// the copies saved are worth less than what a slot takes.
const leastShared = 32 << 10

// patience is how long a sender waits for a slot before it sends a piece inline.
const patience = 5 * time.Millisecond

// memory is what one host and one plugin share. Its slots hold payloads between
// the copy that fills them and the copy that empties them; frames on the stream of
// the call say which, so everything else about a call is as without it.
//
// A slot's generation is even while it is free and odd while it is taken. The
// sender takes a slot. The receiver frees it when it has read it, or the sender
// takes it back when its call ends, whichever is first: both swap the generation
// the slot was taken with for the next, so the later one finds another
// generation and changes nothing, even if the slot has been taken again. A call
// takes back all it took, however it ends, so that a slot whose frame never arrived
// is lost no longer than its call lasts. A receiver that comes too late knows that
// what it read may have been overwritten, and discards it.
//
// Nobody waits for ever: a sender that finds no slot for a while, because other
// calls have them all or their receiver is slow, sends the piece inline.
//
// The other side may write anything here at any time. Generations are only ever
// compared, and what a slot holds is copied before it is looked at.
type memory struct {
	name            string
	bytes           []byte // none: every payload goes inline
	sends, receives int    // the first slot of each direction
}

func (m *memory) generation(slot int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m.bytes[nameBytes+slot*stride]))
}

func (m *memory) slot(i int) []byte {
	return m.bytes[headBytes+i*slotBytes:][:slotBytes:slotBytes]
}

// take takes a slot to send a payload in; it returns false when there is none in
// time.
func (m *memory) take(ctx context.Context) (slot int, generation uint64, ok bool) {
	if m.bytes == nil {
		return 0, 0, false
	}
	for start := time.Now(); ; pause() {
		for i := m.sends; i < m.sends+slots; i++ {
			if g := m.generation(i).Load(); g%2 == 0 && m.generation(i).CompareAndSwap(g, g+1) {
				return i, g + 1, true
			}
		}
		if ctx.Err() != nil || time.Since(start) > patience {
			return 0, 0, false
		}
	}
}

// free frees a slot, unless that has been done since it was taken with this
// generation.
func (m *memory) free(slot int, generation uint64) bool {
	return m.generation(slot).CompareAndSwap(generation, generation+1)
}

// received returns the payload that p says where to find.
func (m *memory) received(p *pb.Shared) ([]byte, error) {
	slot := int64(p.Slot) - int64(m.receives)
	switch {
	case m.bytes == nil:
		return nil, contract("frame", "its payload is in shared memory, of which the call has none")
	case slot < 0 || slot >= slots:
		return nil, contract("frame", "its payload is in slot %d; want %d to %d", p.Slot, m.receives, m.receives+slots-1)
	case p.Length > slotBytes:
		return nil, contract("frame", "its payload in slot %d has %d bytes; want at most %d", p.Slot, p.Length, slotBytes)
	case p.Generation%2 == 0:
		return nil, contract("frame", "its payload is in slot %d of generation %d, which is a free one", p.Slot, p.Generation)
	}
	return m.slot(int(p.Slot))[:p.Length], nil
}

// memoryFor returns the memory shared with the plugin; it has none when the
// plugin, the system or the size of the channels does not call for it. It is made
// for the first call that can use it.
func (c *client) memoryFor(ctx context.Context, channels []*channel) *memory {
	large := func(c *channel) bool {
		rows, n := c.matrix.Dims()
		return 8*rows*n >= leastShared
	}
	if !slices.ContainsFunc(channels, large) {
		return &memory{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shares {
		m, err := c.share(ctx)
		switch {
		case err == nil:
			c.memory, c.shares = m, false
		case ctx.Err() == nil: // else the next call may have more time
			c.shares = false
		}
	}
	return c.memory
}

// share makes memory and has the plugin map it.
func (c *client) share(ctx context.Context) (*memory, error) {
	m, path, done, err := newMemory(rand.Text())
	if err != nil {
		return nil, err
	}
	defer done()
	_, err = c.plugin.Share(ctx, &pb.ShareRequest{Name: m.name, Path: path})
	return m, err
}

// Share implements the Plugin service.
func (s *Server) Share(_ context.Context, r *pb.ShareRequest) (*pb.ShareResponse, error) {
	m, err := openMemory(r.Name, r.Path)
	if err != nil {
		return nil, toStatus(sdk.Errorf(sdk.KindResource, "shared memory", "%v", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memories[m.name] = m
	return &pb.ShareResponse{}, nil
}
