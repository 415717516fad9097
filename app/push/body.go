package push

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"usher/directory"
)

// The values of directory.Push.Type.
const (
	TypeHTTP       = "http_endpoint"
	TypeMattermost = "mattermost"
)

type mattermostMessage struct {
	Text     string `json:"text"`
	Username string `json:"username,omitempty"`
	Channel  string `json:"channel,omitempty"`
}

// batchSize returns how many messages one request has at most. AMS pushes only the first of
// a batch to Mattermost and acknowledges them all; usher pushes each.
func batchSize(p *directory.Push) int {
	if p.Type == TypeMattermost {
		return 1
	}
	return max(1, p.MaxMessages)
}

// endpoint returns the URL to push to.
func endpoint(p *directory.Push) string {
	if p.Type == TypeMattermost {
		return p.MattermostURL
	}
	return p.Endpoint
}

// mayPush reports whether messages may be pushed at all.
func mayPush(p *directory.Push) bool {
	switch p.Type {
	case TypeMattermost:
		return p.MattermostURL != ""
	default:
		return p.Verified && p.Endpoint != ""
	}
}

// body returns the body of a push. It is made by hand, as messages are most of what a push costs.
func body(sub *Subscription, messages []Message) ([]byte, error) {
	p := &sub.Push
	if p.Type == TypeMattermost {
		return marshal(mattermostMessage{Text: data(p, messages[0].Data), Username: p.MattermostUsername, Channel: p.MattermostChannel})
	}
	b := make([]byte, 0, bodySize(messages))
	if batchSize(p) == 1 {
		return appendItem(b, sub, &messages[0]), nil
	}
	b = append(b, `{"messages":[`...)
	for i := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, sub, &messages[i])
	}
	return append(b, "]}"...), nil
}

// bodySize returns about how long a body gets.
func bodySize(messages []Message) (n int) {
	const besides = 256 // names, id, time and subscription
	for i := range messages {
		n += besides + base64.StdEncoding.EncodedLen(len(messages[i].Data))
	}
	return n
}

// appendItem appends one message, as the Argo Messaging Service pushes it:
// {"message":{"attributes":{},"data":"","messageId":"","publishTime":""},"subscription":""}.
func appendItem(b []byte, sub *Subscription, m *Message) []byte {
	b = append(b, `{"message":{`...)
	if len(m.Attributes) > 0 {
		b = append(b, `"attributes":{`...)
		for i, name := range slices.Sorted(maps.Keys(m.Attributes)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, name), ':')
			b = appendText(b, m.Attributes[name])
		}
		b = append(b, `},`...)
	}
	b = append(b, `"data":`...)
	if sub.Push.Base64Decode && utf8.Valid(m.Data) {
		b = appendText(b, string(m.Data))
	} else {
		b = append(b, '"')
		b = append(base64.StdEncoding.AppendEncode(b, m.Data), '"')
	}
	b = appendText(append(b, `,"messageId":`...), m.ID)
	b = append(b, `,"publishTime":"`...)
	b = m.Published.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `"},"subscription":`...)
	return append(appendText(b, "/projects/"+sub.Project+"/subscriptions/"+sub.Name), '}')
}

// appendText appends a string as JSON. A header of a NATS client may be no UTF-8.
func appendText(b []byte, text string) []byte {
	quoted, err := jsontext.AppendQuote(b, strings.ToValidUTF8(text, "\uFFFD"))
	if err != nil {
		return append(b, `""`...)
	}
	return quoted
}

// data returns the text of a message's data. JSON cannot hold bytes that are not UTF-8; they
// stay in base64 also with base64Decode, where AMS would replace them.
func data(p *directory.Push, b []byte) string {
	if p.Base64Decode && utf8.Valid(b) {
		return string(b)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
