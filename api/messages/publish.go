package messages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/internal/budget"
)

// HeaderIdempotencyKey is the header by which a client that sends a request again makes sure
// that its messages are stored once.
const HeaderIdempotencyKey = "Idempotency-Key"

func (h *Handlers) publish(r *rest.Request) (*rest.Response, error) {
	ref, err := topic(r)
	if err != nil {
		return nil, err
	}
	dedupe, err := dedupeIDs(r, ref)
	if err != nil {
		return nil, err
	}
	held := h.memory.For(ref.Project.ID)
	defer held.Release()
	messages, err := h.readMessages(r, held)
	if err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return &rest.Response{Body: wire.MessageIDs{MessageIDs: []string{}}}, nil
	}
	for i := range messages {
		messages[i].DedupeID = dedupe(i)
	}
	ids, err := h.cfg.Store.Publish(r.Context(), ref, messages)
	if err != nil {
		return nil, storeError(err)
	}
	return &rest.Response{Body: wire.MessageIDs{MessageIDs: ids}}, nil
}

// readMessages reads the messages of the body. Afterwards, only they are in memory.
func (h *Handlers) readMessages(r *rest.Request, held *budget.Reservation) ([]Message, error) {
	text, err := readBody(r, held)
	var e *apierror.Error
	switch {
	case errors.As(err, &e) && e.Code == apierror.BodyTooLarge().Code:
		return nil, apierror.MessageTooLarge()
	case err != nil:
		return nil, err
	}
	decoded := int64(base64.StdEncoding.DecodedLen(len(text)))
	// There are at most as many attributes as colons.
	if !held.Grow(decoded + attributeCost*int64(bytes.Count(text, []byte(":")))) {
		return nil, noMemory()
	}
	messages, err := parsePublish(text)
	if err != nil {
		return nil, r.InvalidBody(err)
	}
	attributes := int64(0)
	for i := range messages {
		size := messages[i].size()
		if size > h.maxPayload() {
			return nil, apierror.MessageTooLarge().WithDetails("messages[" + strconv.Itoa(i) + "]: at most " + strconv.FormatInt(h.maxPayload(), 10) + " bytes of data and attributes are allowed")
		}
		attributes += messages[i].MemorySize() - int64(len(messages[i].Data))
	}
	held.Shrink(decoded + attributes)
	return messages, nil
}

// dedupeIDs returns the Nats-Msg-Id of each message of a request, by its index. It is made of
// the topic, the caller and the idempotency key, so that nobody else can make a message look
// like one that has already been stored.
func dedupeIDs(r *rest.Request, ref TopicRef) (func(i int) string, error) {
	key := r.HTTP.Header.Get(HeaderIdempotencyKey)
	if key == "" {
		return func(int) string { return "" }, nil
	}
	if len(key) > maxDedupeID {
		return nil, apierror.InvalidParameter(HeaderIdempotencyKey, "at most "+strconv.Itoa(maxDedupeID)+" bytes")
	}
	sum := sha256.New()
	for _, part := range []string{ref.Project.ID.String(), ref.Topic.Name, r.Caller.ID.String(), key} {
		sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	prefix := base64.RawURLEncoding.EncodeToString(sum.Sum(nil)) + "-"
	return func(i int) string { return prefix + strconv.Itoa(i) }, nil
}
