package messages

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errBase64   = errors.New("is not base64 with padding (RFC 4648 section 4)")
	errAttrName = errors.New("an attribute needs a name")
	errNothing  = errors.New("has neither data nor attributes")
	errAttrs    = fmt.Errorf("at most %d attributes are allowed", maxAttrs)
	errBatch    = fmt.Errorf("at most %d messages are allowed in one request", maxBatch)
)

// parsePublish reads {"messages":[{"data":"base64","attributes":{"name":"text"}}]}. Other
// members are ignored, as in AMS. The bytes of all messages are in one block.
func parsePublish(text []byte) ([]Message, error) {
	d := newReader(text)
	block := make([]byte, 0, base64.StdEncoding.DecodedLen(len(text)))
	var all []Message
	found := false
	err := d.document(func(name string) error {
		if name != "messages" {
			return d.skip()
		}
		found = true
		return d.array(func(i int) error {
			if i >= maxBatch {
				return errBatch
			}
			m, err := parseMessage(d, &block)
			if err != nil {
				return fmt.Errorf("messages[%d]%w", i, err)
			}
			all = append(all, m)
			return nil
		})
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("messages: %w", errMissing)
	}
	return all, nil
}

func parseMessage(d *reader, block *[]byte) (m Message, err error) {
	found := false
	err = d.object(func(name string) (err error) {
		found = found || name == "data" || name == "attributes"
		switch name {
		case "data":
			if m.Data, err = parseData(d, block); err != nil {
				return fmt.Errorf(".data: %w", err)
			}
		case "attributes":
			if m.Attributes, err = parseAttributes(d); err != nil {
				return fmt.Errorf(".attributes: %w", err)
			}
		default:
			err = d.skip()
		}
		return err
	})
	if err == nil && !found { // as with a name that is mistyped
		return m, fmt.Errorf(": %w", errNothing)
	}
	if errors.Is(err, errType) || errors.Is(err, errJSON) || errors.Is(err, errNames) {
		if !strings.HasPrefix(err.Error(), ".") {
			err = fmt.Errorf(": %w", err)
		}
	}
	return m, err
}

// parseData appends the bytes of a base64 string to block, and returns them.
func parseData(d *reader, block *[]byte) ([]byte, error) {
	if d.isNull() {
		return nil, nil
	}
	if d.PeekKind() != '"' {
		return nil, d.wrong()
	}
	v, err := d.ReadValue()
	if err != nil {
		return nil, errJSON
	}
	quoted := []byte(v)
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // some write "\/" for "/"
		if text, err = jsontext.AppendUnquote(nil, quoted); err != nil {
			return nil, errJSON
		}
	}
	if bytes.ContainsAny(text, "\r\n") { // package base64 skips them
		return nil, errBase64
	}
	start := len(*block)
	all, err := base64.StdEncoding.Strict().AppendDecode(*block, text)
	if err != nil {
		return nil, errBase64
	}
	*block = all
	return all[start:len(all):len(all)], nil
}

func parseAttributes(d *reader) (map[string]string, error) {
	if d.isNull() {
		return nil, nil
	}
	all := map[string]string{}
	err := d.object(func(name string) (err error) {
		switch {
		case name == "":
			return errAttrName
		case len(all) >= maxAttrs:
			return errAttrs
		}
		all[name], err = d.text()
		return err
	})
	return all, err
}
