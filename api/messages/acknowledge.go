package messages

import (
	"errors"
	"fmt"
	"time"

	"usher/api/apierror"
	"usher/api/messages/ackid"
	"usher/api/rest"
	"usher/api/wire"
)

var errAckIDs = fmt.Errorf("ackIds: at most %d are allowed in one request", maxBatch)

// acknowledge acknowledges all deliveries or none: a client that gets an error pulls the
// messages again, and must not miss some of them.
func (h *Handlers) acknowledge(r *rest.Request) (*rest.Response, error) {
	ref, err := subscription(r)
	if err != nil {
		return nil, err
	}
	held := h.memory.For(ref.Project.ID)
	defer held.Release()
	text, err := readBody(r, held)
	if err != nil {
		return nil, err
	}
	ids, err := parseAcknowledge(text)
	if err != nil {
		return nil, r.InvalidBody(err)
	}
	deliveries, err := h.deliveries(r, ref, ids)
	if err != nil {
		return nil, err
	}
	if len(deliveries) > 0 {
		if err := h.cfg.Store.Acknowledge(r.Context(), ref, deliveries); err != nil {
			return nil, storeError(err)
		}
	}
	return &rest.Response{Body: wire.Empty{}}, nil
}

// deliveries returns the deliveries of ack ids, without repetitions.
func (h *Handlers) deliveries(r *rest.Request, ref SubscriptionRef, ids []string) ([]Delivery, error) {
	reader := ackid.NewReader(r.Context(), h.cfg.Keys, idsOf(ref))
	seen := make(map[string]bool, len(ids))
	all := make([]Delivery, 0, len(ids))
	deadline := time.Duration(ackDeadline(ref)) * time.Second
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		d, err := reader.Read(id)
		if err != nil {
			return nil, apierror.AckTimeout().WithCause(err)
		}
		if late := h.cfg.Now().Sub(d.At.Add(deadline)); late > 0 {
			return nil, apierror.AckTimeout().WithCause(errLate)
		}
		all = append(all, d)
	}
	return all, nil
}

// idsOf is the subscription for which ack ids are good.
func idsOf(ref SubscriptionRef) ackid.Subscription {
	return ackid.Subscription{Project: ref.Project.ID, Name: ref.Subscription.Name, Created: ref.Subscription.Created}
}

var errLate = errors.New("the ack deadline has passed")

// ackDeadline is the ack deadline of a subscription in seconds.
func ackDeadline(ref SubscriptionRef) int {
	if s := ref.Subscription.AckDeadline; s > 0 {
		return s
	}
	return wire.DefaultAckDeadline
}

// parseAcknowledge reads {"ackIds":["…"]}. AMS also takes AckIds.
func parseAcknowledge(text []byte) (ids []string, err error) {
	d := newReader(text)
	found := false
	err = d.document(func(name string) error {
		if name != "ackIds" && name != "AckIds" {
			return d.skip()
		}
		if found {
			return errJSON
		}
		found = true
		return d.array(func(i int) error {
			if i >= maxBatch {
				return errAckIDs
			}
			id, err := d.text()
			if err != nil {
				return fmt.Errorf("ackIds[%d]: %w", i, err)
			}
			ids = append(ids, id)
			return nil
		})
	})
	if err == nil && !found {
		err = fmt.Errorf("ackIds: %w", errMissing)
	}
	return ids, err
}
