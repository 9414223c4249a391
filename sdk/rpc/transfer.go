package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
)

// maxPayload is how much of a channel one frame holds.
const maxPayload = 1 << 20

// space is a layout, the encoder of its matrices, and decoders that are not in use.
type space struct {
	layout   *sdk.Layout
	numbers  wire.Numbers
	encoder  *wire.Encoder
	decoders sync.Pool // they know the schema
}

// decoder returns a decoder that is in use until it is put back.
func (s *space) decoder() *wire.Decoder {
	if d, ok := s.decoders.Get().(*wire.Decoder); ok {
		return d
	}
	return wire.NewDecoder(s.layout, s.numbers)
}

func newSpace(l *sdk.Layout, numbers wire.Numbers) (*space, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	e, err := wire.NewEncoder(l, numbers)
	return &space{layout: l, numbers: numbers, encoder: e}, err
}

// statesOf returns the layout of an ensemble that holds states of past earlier times, too: what a
// matrix of one has in its columns. It has no coordinates.
func statesOf(state *sdk.Layout, past int) *sdk.Layout {
	if past == 0 {
		return state
	}
	l := &sdk.Layout{Variables: slices.Clone(state.Variables)}
	for k := range past {
		for _, v := range state.Variables {
			v.Name = fmt.Sprintf("%s@%d", v.Name, k+1)
			l.Variables = append(l.Variables, v)
		}
	}
	return l
}

// parameterSpace is the space of parameters by member: one value for each of names;
// nil without names.
func parameterSpace(names []string) (*space, error) {
	if len(names) == 0 {
		return nil, nil
	}
	l := &sdk.Layout{}
	for _, name := range names {
		l.Variables = append(l.Variables, sdk.Variable{Name: name})
	}
	return newSpace(l, wire.Double)
}

// channel is one matrix of a call, or what its members carry.
type channel struct {
	id     pb.Channel
	space  *space // nil: carry
	matrix *mat.Dense
	carry  [][]byte
	// loose says which values that are not finite may come in, and strange whether some have.
	loose   func(float64) bool
	strange bool

	decoder  *wire.Decoder
	received []byte // of carry
}

func missing(v float64) bool    { return math.IsNaN(v) }
func infinite(v float64) bool   { return math.IsInf(v, 0) }
func impossible(v float64) bool { return math.IsInf(v, -1) }

type stream interface {
	Context() context.Context
	SendMsg(any) error
	RecvMsg(any) error
}

// outgoing sends one side of a call.
type outgoing struct {
	stream stream
	memory *memory
	joined bool                 // frames are joined where possible, and hold copies
	refuse func(*channel) error // says why values beyond the range of numbers are not sent; nil: they are, as infinite ones
	last   *frame               // to be sent, unless the next one can be joined to it
	taken  [slots]uint64        // the generation each slot was last taken with; 0: never
}

// send sends the header, if there is one, the channels in order and the end. Unless
// frames are joined, the matrices must not change until the call has ended. scratch
// holds the copies of matrices of several variables; it is returned for the next call,
// which may use it then.
func (o *outgoing) send(header *pb.CallHeader, channels []*channel, end *pb.CallEnd, scratch [][]float64) ([][]float64, error) {
	if header != nil {
		if err := o.push(&frame{header: header}); err != nil {
			return scratch, err
		}
	}
	scratch, err := o.channels(channels, scratch)
	if err == nil {
		err = o.push(&frame{end: end})
	}
	if err == nil && o.joined {
		err = o.stream.SendMsg(o.last)
	}
	return scratch, err
}

// push sends f, or, if frames are joined, the one before it unless f can be joined to it.
func (o *outgoing) push(f *frame) error {
	var err error
	switch {
	case !o.joined:
		return o.stream.SendMsg(f)
	case o.last == nil: // f is the first
	case f.end != nil:
		o.last.end = f.end
		return nil
	case o.last.channel == 0:
		o.last.channel, o.last.payload = f.channel, f.payload
		return nil
	default:
		err = o.stream.SendMsg(o.last)
	}
	o.last, f.whole = f, true
	return err
}

// channels sends the channels.
func (o *outgoing) channels(channels []*channel, scratch [][]float64) ([][]float64, error) {
	for len(scratch) < len(channels) {
		scratch = append(scratch, nil)
	}
	for i, c := range channels {
		var err error
		p := o.pack(c.id)
		if c.space == nil {
			err = p.add(carrySegments(c.carry))
		} else {
			scratch[i], err = c.space.encoder.Stream(c.matrix, scratch[i], p.add) // of no rows when all members failed
		}
		if errors.Is(err, wire.ErrBeyond) {
			if err = nil; o.refuse != nil {
				err = o.refuse(c)
			}
		}
		if err == nil {
			err = p.flush()
		}
		if err != nil {
			return scratch, err
		}
	}
	return scratch, nil
}

// packer packs the segments of a channel into frames of at most maxPayload.
type packer struct {
	*outgoing
	f    *frame
	left int
}

func (o *outgoing) pack(id pb.Channel) *packer { return &packer{o, &frame{channel: id}, maxPayload} }

// add sends the frames that segments fill.
func (p *packer) add(segments [][]byte) error {
	p.f.payload = slices.Grow(p.f.payload, len(segments))
	for _, seg := range segments {
		for len(seg) > 0 {
			k := min(p.left, len(seg))
			p.f.payload = append(p.f.payload, seg[:k])
			seg, p.left = seg[k:], p.left-k
			if p.left == 0 {
				if err := p.frame(p.f, maxPayload); err != nil {
					return err
				}
				p.f, p.left = after(p.f), maxPayload
			}
		}
	}
	return nil
}

// flush sends what is left.
func (p *packer) flush() error {
	if p.left == maxPayload {
		return nil
	}
	return p.frame(p.f, maxPayload-p.left)
}

// frame sends a payload of size bytes, through shared memory if it is large and a slot
// is free.
func (o *outgoing) frame(f *frame, size int) error {
	if size >= leastShared {
		if slot, generation, ok := o.memory.take(o.stream.Context()); ok {
			o.taken[slot-o.memory.sends] = generation
			into := o.memory.slot(slot)[:0]
			for _, p := range f.payload {
				into = append(into, p...)
			}
			f.shared = &pb.Shared{Slot: uint32(slot), Length: uint32(size), Generation: generation}
		}
	}
	return o.push(f)
}

// after returns an empty frame to follow f, which is f itself unless the transport
// still sends its payload.
func after(f *frame) *frame {
	if f.shared == nil {
		return &frame{channel: f.channel}
	}
	f.shared, f.payload = nil, f.payload[:0]
	return f
}

// takeBack frees the slots of the call. Call it when the call has ended.
func (o *outgoing) takeBack() {
	for i, generation := range o.taken {
		if generation != 0 {
			o.memory.takeBack(o.memory.sends+i, generation)
		}
	}
}

// incoming receives one side of a call.
type incoming struct {
	channels []*channel
	memory   *memory
	err      error // of a payload; as an error of the codec it would become text
	lost     bool  // a payload was taken back before it was read; the sender's status says why
}

func errLost() error {
	return contract("call", "a payload in shared memory was taken back before it was read")
}

// newIncoming prepares to receive channels, inline or through m. watch says
// whether their values must be finite.
func newIncoming(channels []*channel, m *memory, watch bool) *incoming {
	in := &incoming{channels: channels, memory: m}
	for _, c := range channels {
		if c.space == nil {
			continue
		}
		c.decoder = c.space.decoder()
		if watch {
			c.decoder.Watch()
		}
		c.decoder.Reset(c.matrix)
	}
	return in
}

// payload takes the next piece of a channel; after a fault it ignores all others.
func (in *incoming) payload(id pb.Channel, piece []byte) error {
	if in.err == nil {
		in.err = in.decode(id, piece)
	}
	return nil
}

func (in *incoming) decode(id pb.Channel, piece []byte) error {
	for _, c := range in.channels {
		if c.id == id && c.space == nil {
			c.received = append(c.received, piece...)
			return nil
		}
		if c.id == id {
			_, err := c.decoder.Write(piece)
			return named(id, err)
		}
	}
	return contract("channel "+channelName(id), "was not asked for")
}

// named adds to an error, if there is one, which channel it is about.
func named(id pb.Channel, err error) error {
	if err == nil {
		return nil
	}
	var e *sdk.Error
	if errors.As(err, &e) {
		return contract("channel "+channelName(id), "%s", e.What)
	}
	return fmt.Errorf("channel %s: %w", channelName(id), err)
}

func channelName(id pb.Channel) string {
	switch id {
	case pb.Channel_CHANNEL_ENSEMBLE:
		return "ensemble"
	case pb.Channel_CHANNEL_PREDICTED:
		return "predicted"
	case pb.Channel_CHANNEL_SIMULATED:
		return "simulated"
	case pb.Channel_CHANNEL_OBSERVATIONS:
		return "observations"
	case pb.Channel_CHANNEL_LOG_LIKELIHOOD:
		return "log_likelihood"
	case pb.Channel_CHANNEL_GRADIENT:
		return "gradient"
	case pb.Channel_CHANNEL_PARAMETERS:
		return "parameters"
	case pb.Channel_CHANNEL_CARRY:
		return "carry"
	}
	return fmt.Sprint(int(id))
}

// receive reads frames into f, whose sink is payload, up to the CallEnd, which it
// returns. Rows are not counted here.
func (in *incoming) receive(s stream, f *frame) (*pb.CallEnd, error) {
	for {
		if err := s.RecvMsg(f); errors.Is(err, io.EOF) {
			return nil, contract("call", "ended without a CallEnd")
		} else if err != nil {
			return nil, err
		}
		if end, err := in.look(f); end != nil || err != nil {
			return end, err
		}
	}
}

// look takes what has come in f: a payload in shared memory, and the CallEnd, which it
// returns.
func (in *incoming) look(f *frame) (*pb.CallEnd, error) {
	if f.fault == nil && f.shared != nil {
		f.fault = in.shared(f.channel, f.shared)
	}
	switch {
	case f.fault != nil:
		return nil, f.fault
	case in.err != nil && !in.lost:
		return nil, in.err
	}
	return f.end, nil
}

// shared takes a payload from shared memory and frees its slot.
func (in *incoming) shared(id pb.Channel, p *pb.Shared) error {
	piece, err := in.memory.received(p)
	if err != nil {
		return err
	}
	_ = in.payload(id, piece)
	in.lost = in.lost || !in.memory.done(int(p.Slot), p.Generation)
	return nil
}

// complete checks that every channel is complete, has the wanted number of rows, and
// has finite values. member gives the number of the member in a row. Nothing is taken after it.
func (in *incoming) complete(member func(row int) int, rows int) error {
	if in.lost {
		return errLost()
	}
	for _, c := range in.channels {
		want := rows
		if c.space == nil {
			var err error
			if c.carry, err = carryOf(c.received, want, member); err != nil {
				return err
			}
			continue
		}
		if c.id == pb.Channel_CHANNEL_OBSERVATIONS {
			want = 1
		}
		got, err := c.decoder.Close()
		if err != nil {
			return named(c.id, err)
		}
		if got != want {
			return contract("channel "+channelName(c.id), "got %d members, want %d", got, want)
		}
		if err := c.checkFinite(member, got); err != nil {
			return err
		}
		c.space.decoders.Put(c.decoder)
	}
	in.channels = nil
	return nil
}

// checkFinite returns an error that names the first value that is not a finite number.
func (c *channel) checkFinite(member func(row int) int, rows int) error {
	if c.decoder.Finite() {
		return nil
	}
	c.strange = true
	n := c.space.layout.Size()
	for i, v := range c.matrix.RawMatrix().Data[:rows*n] {
		if math.IsNaN(v-v) && (c.loose == nil || !c.loose(v)) {
			return contract("channel "+channelName(c.id), "member %d, %s is %v; want a finite number", member(i/n), c.valueName(i%n), v)
		}
	}
	return nil
}

// valueName returns the name of value j of a row, such as "u[3]".
func (c *channel) valueName(j int) string {
	for _, v := range c.space.layout.Variables {
		if j >= v.Size() {
			j -= v.Size()
			continue
		}
		if len(v.Shape) == 0 {
			return v.Name
		}
		return fmt.Sprintf("%s[%d]", v.Name, j)
	}
	return ""
}
