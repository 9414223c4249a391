package rpc

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
)

// featureShared is the feature of plugins that take large payloads from memory
// shared with the host, and put theirs there. The sizes below are part of it.
const (
	featureShared = "shm.v2"

	slots     = 3 // in each direction: one that is filled, one that is emptied, and one for delays
	slotBytes = maxPayload

	nameBytes   = 64 // of the head; then come two words for every slot
	stride      = 64 // between words: a cache line, so that two do not slow each other down
	headBytes   = 4 << 10
	sharedBytes = headBytes + 2*slots*slotBytes
)

// leastShared is the size of the smallest payload that goes through shared memory. Below
// it a slot costs more than the copies it saves.
const leastShared = 32 << 10

// patience is how long a sender waits for a slot before it sends a piece inline.
const patience = 5 * time.Millisecond

// memory is what one host and one plugin share. Its slots hold payloads between
// the copy that fills them and the copy that empties them; frames on the stream of
// the call say which, so everything else about a call is as without it.
//
// A slot has two words, and each side writes one of them. The sender counts in
// taken: it makes it odd when it takes the slot, and even when it takes it back. The
// odd number is the generation of what is in the slot. The receiver, when it has
// read the slot, writes the generation into read. The slot is free when taken is
// even, or equals read.
//
// A call takes back all slots that it took, however it ends, so a slot whose frame never
// arrived is lost no longer than its call lasts. A receiver that comes too late finds
// another generation in taken, knows that what it read may have been overwritten, and
// discards it. Because no word has two writers, neither side needs instructions that
// many languages do not have.
//
// No side waits forever: a sender that finds no free slot for a while, because other
// calls have them all or their receiver is slow, sends the piece inline.
//
// The other side may write anything here at any time. Generations are only compared,
// and what a slot holds is copied before it is read.
type memory struct {
	name            string
	bytes           []byte // none: every payload goes inline
	sends, receives int    // the first slot of each direction
}

// taken is the word of the slot's sender, and read that of its receiver.
func (m *memory) taken(slot int) *atomic.Uint64 { return m.word(2 * slot) }
func (m *memory) read(slot int) *atomic.Uint64  { return m.word(2*slot + 1) }

func (m *memory) word(i int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m.bytes[nameBytes+i*stride]))
}

func (m *memory) slot(i int) []byte {
	return m.bytes[headBytes+i*slotBytes:][:slotBytes:slotBytes]
}

// take takes a slot to send a payload in. It returns false if none is free in time.
func (m *memory) take(ctx context.Context) (slot int, generation uint64, ok bool) {
	if m.bytes == nil {
		return 0, 0, false
	}
	for start := time.Now(); ; pause() {
		for i := m.sends; i < m.sends+slots; i++ {
			g := m.taken(i).Load()
			if next := g + 1 + g%2; (g%2 == 0 || m.read(i).Load() == g) && m.taken(i).CompareAndSwap(g, next) {
				return i, next, true
			}
		}
		if ctx.Err() != nil || time.Since(start) > patience {
			return 0, 0, false
		}
	}
}

// takeBack takes back a slot, unless it has been taken again since.
func (m *memory) takeBack(slot int, generation uint64) {
	m.taken(slot).CompareAndSwap(generation, generation+1)
}

// done records that a slot has been read. It returns false if the slot had been taken
// back, so that what was read may be anything. If it is taken back and taken again at this
// moment, the new generation is not in read, and the slot is free at the end of its call.
func (m *memory) done(slot int, generation uint64) bool {
	if m.taken(slot).Load() != generation {
		return false
	}
	m.read(slot).Store(generation)
	return true
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

// memoryFor returns the memory shared with the plugin, which is made for the first large
// call. It is empty if the plugin or the system does not support it.
func (c *client) memoryFor(ctx context.Context) *memory {
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
