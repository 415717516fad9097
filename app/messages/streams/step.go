package streams

import (
	"fmt"
	"strings"
	"time"
)

// Action is what a Step does.
type Action string

// The actions.
const (
	CreateStream   Action = "create stream"
	UpdateStream   Action = "update stream" // its subjects
	MarkStream     Action = "mark stream"   // with its project
	CreateConsumer Action = "create consumer"
	UpdateConsumer Action = "update consumer"
	DeleteConsumer Action = "delete consumer"

	Conflict Action = "conflict" // an operator must decide
	Left     Action = "left"     // what nobody needs, but has messages
	Stale    Action = "stale"    // another usher has applied a newer directory
)

// Step is one step of a plan.
type Step struct {
	Action   Action
	Stream   string
	Consumer string

	Subjects       []string // of the stream afterwards
	Added, Removed []string

	Filter, WasFilter   string
	AckWait, WasAckWait time.Duration

	Problem, Hint string // of Conflict and Left
}

// changes reports whether a step changes something.
func (s Step) changes() bool { //nolint:gocritic // used as a method value
	return s.Action != Conflict && s.Action != Left && s.Action != Stale
}

// String says what is to be done.
func (s *Step) String() string {
	switch s.Action {
	case CreateStream:
		return fmt.Sprintf("create stream %s with %s", s.Stream, list(s.Subjects))
	case UpdateStream:
		var parts []string
		if len(s.Added) > 0 {
			parts = append(parts, "add "+list(s.Added))
		}
		if len(s.Removed) > 0 {
			parts = append(parts, "remove "+list(s.Removed))
		}
		return fmt.Sprintf("stream %s: %s", s.Stream, strings.Join(parts, ", "))
	case MarkStream:
		return fmt.Sprintf("stream %s: mark it as kept by usher", s.Stream)
	case CreateConsumer:
		return fmt.Sprintf("create consumer %s of stream %s for %s", s.Consumer, s.Stream, s.Filter)
	case UpdateConsumer:
		var parts []string
		if s.Filter != s.WasFilter {
			parts = append(parts, fmt.Sprintf("filter %s in place of %s", s.Filter, s.WasFilter))
		}
		if s.AckWait != s.WasAckWait {
			parts = append(parts, fmt.Sprintf("AckWait %v in place of %v", s.AckWait, s.WasAckWait))
		}
		if len(parts) == 0 {
			parts = append(parts, "mark it as kept by usher")
		}
		return fmt.Sprintf("consumer %s of stream %s: %s", s.Consumer, s.Stream, strings.Join(parts, ", "))
	case DeleteConsumer:
		return fmt.Sprintf("delete consumer %s of stream %s: there is no such subscription", s.Consumer, s.Stream)
	case Stale:
		return fmt.Sprintf("stream %s: another usher has applied a newer directory", s.Stream)
	case Conflict, Left:
		return s.Problem
	default:
		return string(s.Action)
	}
}

// list joins subjects, at most a few.
func list(subjects []string) string {
	const most = 5
	if n := len(subjects); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(subjects[:most], ", "), n-most)
	}
	return strings.Join(subjects, ", ")
}
