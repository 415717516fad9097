package messages

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/api/apierror"
	"usher/api/messages/ackid"
	"usher/api/rest"
	"usher/directory"
	"usher/internal/budget"
)

// returnTimeout bounds giving messages back that the client did not get.
const returnTimeout = 5 * time.Second

// pullParts is the part of the available memory that one pull takes: 1/pullParts of it.
const pullParts = 32

func (h *Handlers) pull(r *rest.Request) (*rest.Response, error) {
	ref, err := pullable(r)
	if err != nil {
		return nil, err
	}
	held := h.memory.For(ref.Project.ID)
	options, err := readPull(r, held)
	if err != nil {
		held.Release()
		return nil, err
	}
	response, err := h.pullMessages(r, ref, options, held)
	if err != nil {
		held.Release()
		return nil, err
	}
	response.After(held.Release)
	return response, nil
}

// pullable returns the subscription of the path, if the caller may pull from it: messages that
// are pushed would be lost to their endpoint.
func pullable(r *rest.Request) (SubscriptionRef, error) {
	ref, err := subscription(r)
	if err != nil {
		return ref, err
	}
	if ref.Subscription.Push != nil && !r.IsServiceAdmin() && !r.HasServiceRole(directory.ServiceRolePushWorker) {
		return ref, apierror.Forbidden().WithDetails("the messages of this subscription are pushed")
	}
	return ref, nil
}

// pullMessages takes what is there. Only if that is nothing, it waits for one message, and
// then takes what has come with it: while it waits, no memory is reserved.
func (h *Handlers) pullMessages(r *rest.Request, ref SubscriptionRef, options pullOptions, held *budget.Reservation) (*rest.Response, error) {
	received, err := h.take(r.Context(), ref, options.max, held)
	if err != nil {
		return nil, err
	}
	if len(received) == 0 && !options.immediately {
		if received, err = h.await(r, ref, options.max, held); err != nil {
			return nil, err
		}
	}
	maker, err := ackid.NewMaker(r.Context(), h.cfg.Keys, idsOf(ref))
	if err != nil {
		h.giveBack(r.Context(), ref, received)
		return nil, apierror.MessagesUnavailable(err)
	}
	return &rest.Response{ContentType: typeJSON, Stream: func(w http.ResponseWriter) error {
		if err := h.writeReceived(w, received, maker); err != nil {
			h.giveBack(r.Context(), ref, received)
		}
		return nil // an error means that the client has disconnected
	}}, nil
}

// take pulls messages that are there, and reserves memory for them.
func (h *Handlers) take(ctx context.Context, ref SubscriptionRef, count int, held *budget.Reservation) ([]Received, error) {
	before := held.Size()
	least := min(h.maxPayload(), h.cfg.Memory/4)
	size := held.GrowBetween(least, max(least, maxPull), pullParts)
	if size == 0 {
		return nil, noMemory()
	}
	received, err := h.cfg.Store.Pull(ctx, ref, count, int(size), 0)
	if err != nil {
		held.Shrink(before)
		return nil, storeError(err)
	}
	if err := h.hold(held, before, received); err != nil {
		h.giveBack(ctx, ref, received)
		held.Shrink(before)
		return nil, err
	}
	return received, nil
}

// hold makes the reservation that of messages which have come, besides those before.
func (h *Handlers) hold(held *budget.Reservation, before int64, received []Received) error {
	size := sizeOf(received)
	if len(received) == 1 {
		size = min(size, h.cfg.Memory/4) // else nobody would ever get past it
	}
	if more := before + size - held.Size(); more > 0 && !held.Grow(more) {
		return noMemory()
	}
	held.Shrink(before + size)
	return nil
}

// await waits for a message.
func (h *Handlers) await(r *rest.Request, ref SubscriptionRef, count int, held *budget.Reservation) ([]Received, error) {
	leave, ok := h.polls.enter(r)
	if !ok {
		return nil, busy("Too many requests of this key, project or address wait for messages")
	}
	defer leave()
	received, err := h.cfg.Store.Pull(r.Context(), ref, 1, int(max(h.maxPayload(), 1<<16)), h.cfg.Wait)
	if err != nil {
		return nil, storeError(err)
	}
	if len(received) == 0 {
		return nil, nil
	}
	// The caller's rights may have ended meanwhile.
	if err = r.Reauthorize(r.Store().Snapshot()); err == nil {
		_, err = pullable(r)
	}
	if err == nil {
		err = h.hold(held, held.Size(), received)
	}
	if err != nil {
		h.giveBack(r.Context(), ref, received)
		return nil, err
	}
	if count > 1 {
		more, err := h.take(r.Context(), ref, count-1, held)
		if err == nil { // else the client gets the first, and an error next time
			received = append(received, more...)
		}
	}
	return received, nil
}

// giveBack gives messages back that the client did not get.
func (h *Handlers) giveBack(ctx context.Context, ref SubscriptionRef, received []Received) {
	if len(received) == 0 {
		return
	}
	deliveries := make([]Delivery, len(received))
	for i := range received {
		deliveries[i] = received[i].Delivery
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTimeout)
	defer cancel()
	_ = h.cfg.Store.Return(ctx, ref, deliveries) // else they come again after the ack deadline
}

func sizeOf(received []Received) (n int64) {
	for i := range received {
		n += received[i].MemorySize()
	}
	return n
}

// pullOptions are the body of a pull.
type pullOptions struct {
	max         int
	immediately bool
}

func readPull(r *rest.Request, held *budget.Reservation) (pullOptions, error) {
	options := pullOptions{max: 1, immediately: true} // AMS's defaults
	text, err := readBody(r, held)
	if err != nil {
		return options, err
	}
	defer held.Release()
	if strings.TrimSpace(string(text)) == "" {
		return options, nil
	}
	if options, err = parsePull(text); err != nil {
		return options, r.InvalidBody(err)
	}
	return options, nil
}

// parsePull reads {"maxMessages":"1","returnImmediately":"true"}. AMS takes strings; a number
// and a boolean are as good.
func parsePull(text []byte) (pullOptions, error) {
	options := pullOptions{max: 1, immediately: true}
	d := newReader(text)
	err := d.document(func(name string) error {
		if name != "maxMessages" && name != "returnImmediately" {
			return d.skip()
		}
		if d.isNull() {
			return nil
		}
		value, err := d.scalar()
		if err != nil || value == "" {
			return err
		}
		if name == "returnImmediately" {
			options.immediately, err = parseFlag(value)
			return err
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return errMax
		}
		options.max = min(max(1, int(n)), maxBatch)
		return nil
	})
	return options, err
}

func parseFlag(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, errFlag
	}
}
