package messages

import (
	"fmt"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
)

// paramTime is the query parameter of timeToOffset.
const paramTime = "time"

func (h *Handlers) offsets(r *rest.Request) (*rest.Response, error) {
	ref, err := subscription(r)
	if err != nil {
		return nil, err
	}
	o, err := h.cfg.Store.Offsets(r.Context(), ref)
	if err != nil {
		return nil, storeError(err)
	}
	return &rest.Response{Body: offsetsOf(o)}, nil
}

func offsetsOf(o Offsets) wire.Offsets {
	return wire.Offsets{Max: int(o.Max), Min: int(o.Min), Current: int(o.Current)} //nolint:gosec // sequences of a stream fit
}

// modifyOffset moves a subscription. The audit has where it was.
func (h *Handlers) modifyOffset(r *rest.Request) (*rest.Response, error) {
	ref, err := subscription(r)
	if err != nil {
		return nil, err
	}
	in := r.Body.(*wire.OffsetInput)
	if in.Offset == nil || *in.Offset < 0 {
		return nil, r.InvalidBody(errOffset)
	}
	before, err := h.cfg.Store.Offsets(r.Context(), ref)
	if err != nil {
		return nil, storeError(err)
	}
	if err := r.AuditBefore(offsetsOf(before)); err != nil {
		return nil, err
	}
	to := uint64(*in.Offset)
	if to < before.Min || to > before.Max {
		return nil, outOfBounds(before)
	}
	if err := h.cfg.Store.Move(r.Context(), ref, to); err != nil {
		return nil, storeError(err)
	}
	return &rest.Response{}, r.AuditAfter(wire.OffsetInput{Offset: in.Offset})
}

// outOfBounds names the offsets that are allowed.
func outOfBounds(o Offsets) *apierror.Error {
	return apierror.Invalid("Offset out of bounds").WithCause(ErrOffset).WithDetails(fmt.Sprintf("expected %d to %d", o.Min, o.Max))
}

func (h *Handlers) timeToOffset(r *rest.Request) (*rest.Response, error) {
	ref, err := subscription(r)
	if err != nil {
		return nil, err
	}
	at, ok := parseTime(r.Query(paramTime))
	if !ok {
		return nil, apierror.Invalid("Time is not in valid Zulu format.").WithDetails("expected a time such as 2006-01-02T15:04:05.000Z")
	}
	offset, err := h.cfg.Store.OffsetAt(r.Context(), ref, at)
	if err != nil {
		return nil, storeError(err)
	}
	return &rest.Response{Body: wire.Offset{Offset: int(offset)}}, nil //nolint:gosec // sequences of a stream fit
}

// parseTime takes RFC 3339, and what AMS's Python client makes of a time without fractions of
// a second.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.000Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
