package push

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"usher/directory"
)

// The values of directory.Push.Type.
const (
	TypeHTTP       = "http_endpoint"
	TypeMattermost = "mattermost"
)

// item is one message of a body, as the Argo Messaging Service pushes it.
type item struct {
	Message      itemMessage `json:"message"`
	Subscription string      `json:"subscription"`
}

type itemMessage struct {
	Attributes  map[string]string `json:"attributes,omitempty"`
	Data        string            `json:"data"`
	ID          string            `json:"messageId"`
	PublishTime string            `json:"publishTime"`
}

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

// body returns the body of a push.
func body(sub *Subscription, messages []Message) ([]byte, error) {
	p := &sub.Push
	if p.Type == TypeMattermost {
		return marshal(mattermostMessage{Text: data(p, messages[0].Data), Username: p.MattermostUsername, Channel: p.MattermostChannel})
	}
	name := "/projects/" + sub.Project + "/subscriptions/" + sub.Name
	items := make([]item, len(messages))
	for i := range messages {
		m := &messages[i]
		items[i] = item{Subscription: name, Message: itemMessage{
			ID: m.ID, Attributes: m.Attributes, Data: data(p, m.Data), PublishTime: m.Published.UTC().Format(time.RFC3339Nano),
		}}
	}
	if batchSize(p) == 1 {
		return marshal(items[0])
	}
	return marshal(map[string][]item{"messages": items})
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
