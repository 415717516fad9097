package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Limits of a document.
const (
	MaxSize  = 64 << 20 // bytes
	MaxDepth = 64       // nested mappings and lists
)

// compose parses data into a node tree. The tree is nil if the document is empty
// or not valid. If a second document follows, compose returns both the first one
// and an error.
func compose(file string, data []byte) (root *yaml.Node, errs Errors) {
	fault := func(pos position, hint, format string, args ...any) Errors {
		return Errors{{
			File: file, Line: pos.line, Column: pos.column,
			Message: fmt.Sprintf(format, args...), Hint: hint,
		}}
	}
	if len(data) > MaxSize {
		return nil, fault(position{}, "", "the file is larger than %d MiB", MaxSize>>20)
	}
	if pos, problem := checkText(data); problem != "" {
		return nil, fault(pos, "save the file as UTF-8 text", "%s", problem)
	}
	// The parser panics on states that it considers bugs of its own. A service that
	// reloads a file must survive that.
	defer func() {
		if r := recover(); r != nil {
			root, errs = nil, fault(position{}, "", "the YAML parser cannot read the file")
		}
	}()
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fault(position{}, "", "cannot start the YAML parser: %v", err)
	}
	var first, second yaml.Node
	if err := loader.Load(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, Errors{syntaxError(file, data, err)}
	}
	if len(first.Content) > 0 {
		root = first.Content[0]
	}
	if err := loader.Load(&second); err == nil {
		errs = fault(position{second.Line, second.Column},
			"keep one document in the file, without further --- lines", "a second document starts here")
	} else if !errors.Is(err, io.EOF) {
		errs = Errors{syntaxError(file, data, err)}
	}
	return root, errs
}

// syntaxError makes an Error of a parser error. The parser's messages quote no
// scalars except the names of aliases; for those it uses its own message.
func syntaxError(file string, data []byte, err error) Error {
	e := Error{File: file, Message: "not valid YAML"}
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return e
	}
	e.Line, e.Column = load.Mark.Line, load.Mark.Column
	if load.Stage == yaml.ComposerStage {
		e.Message, e.Hint = aliasMessage, aliasHint
		return e
	}
	e.Message += ": " + load.Message
	if load.ContextMsg != "" {
		e.Message += " " + load.ContextMsg
		if load.ContextMark.Line != load.Mark.Line && load.ContextMark.Line > 0 {
			e.Message += fmt.Sprintf(" that starts on line %d", load.ContextMark.Line)
		}
	}
	if byteAt(data, e.Line, e.Column) == '\t' {
		e.Hint = "indent with spaces, not with tabs"
	}
	return e
}

// byteAt returns the first byte of the character at line and column, or 0.
func byteAt(data []byte, line, column int) byte {
	for ; line > 1; line-- {
		_, rest, found := bytes.Cut(data, []byte{'\n'})
		if !found {
			return 0
		}
		data = rest
	}
	for ; column > 1 && len(data) > 0; column-- {
		_, size := utf8.DecodeRune(data)
		data = data[size:]
	}
	if line < 1 || column < 1 || len(data) == 0 {
		return 0
	}
	return data[0]
}

// checkText finds the first byte that is not UTF-8 text. The parser refuses the
// same bytes, but does not say where they are.
func checkText(data []byte) (pos position, problem string) {
	pos = position{1, 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return pos, "not UTF-8 text"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return pos, fmt.Sprintf("control character %U", r)
		case r == '\n':
			pos = position{pos.line + 1, 1}
		default:
			pos.column++
		}
		data = data[size:]
	}
	return position{}, ""
}
