package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// featureSeries is the feature of plugins that answer several calls on one stream. It
// saves small calls the beginning and the end of a stream, which cost more than the
// call itself.
const featureSeries = "series.v1"

// smallBytes is how much a small call sends at most, and how much it receives: what gRPC
// takes for one stream before a sender has to wait.
const smallBytes = 64 << 10

func small(channels []*channel) bool {
	total := 0
	for _, c := range channels {
		if c.space == nil { // of an answer nothing is known, but nothing is sent meanwhile
			for _, b := range c.carry {
				total += 8 + len(b)
			}
			continue
		}
		rows, n := c.matrix.Dims()
		total += c.space.numbers.Size() * rows * n
	}
	return total <= smallBytes
}

// line is a stream for one call after another. It outlives their contexts.
type line struct {
	stream  grpc.ClientStream
	cancel  context.CancelFunc
	release func() bool // from the context of the call under way; false if that has ended, and the line with it
}

// takeLine returns an idle line or a new one. Until it is released it ends with ctx.
func (c *client) takeLine(ctx context.Context) (*line, error) {
	if l := c.idleLine(); l != nil {
		l.release = context.AfterFunc(ctx, l.cancel)
		return l, nil
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &line{cancel: cancel, release: context.AfterFunc(ctx, cancel)}
	var err error
	if l.stream, err = c.newStream(own); err != nil {
		return nil, l.fail(ctx, err)
	}
	return l, nil
}

func (c *client) newStream(ctx context.Context, options ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, c.method.path(), options...)
}

func (c *client) idleLine() *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return nil
	}
	l := c.idle[last]
	c.idle = c.idle[:last]
	return l
}

func (c *client) putLine(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, l)
}

// fail ends the line after a call that failed with err, and returns the reason.
func (l *line) fail(ctx context.Context, err error) error {
	l.cancel()
	if ended := ctx.Err(); ended != nil && status.Code(err) == codes.Canceled {
		err = status.FromContextError(ended).Err()
	}
	return fromStatus(err)
}
