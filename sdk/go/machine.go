package wxec

import (
	"fmt"
	"time"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
	"github.com/wxec/wxec/sdk/go/internal/host"
)

// Facts are facts about the host.
type Facts struct {
	Hostname string
	// FQDN is its name with its domain, if it has one.
	FQDN *string `cbor:"fqdn"`
	// Kernel is the kernel's release, such as `6.12.43`.
	Kernel string
	// OS is the operating system, such as `Linux`.
	OS     string `cbor:"os"`
	Arch   string
	Distro *Distro
	// CPUs are those that the agent may use.
	CPUs        uint32 `cbor:"cpus"`
	MemoryBytes uint64
	Addresses   []string
	// User is the account that the agent runs as, if it has a name.
	User    *string
	UID     uint32 `cbor:"uid"`
	UptimeS uint64
}

// Distro is a distribution, from `os-release`.
type Distro struct{ ID, Name, Version string }

// HostFacts returns the facts of the host. Needs the grant of facts.
func HostFacts() (Facts, error) {
	var facts Facts
	err := host.Facts(&facts)
	return facts, err
}

// RemoteError is the reason why a task on another host has no value.
type RemoteError struct {
	// Kind is a kind of call error, such as `Failed` or `Trap`.
	Kind string
	// Failure is the error of the task, if it has one.
	Failure *Failure
	// Detail is the content of other kinds.
	Detail any
}

func (e *RemoteError) Error() string {
	fields, _ := e.Detail.(map[string]any)
	switch {
	case e.Failure != nil:
		return e.Failure.Error()
	case fields["message"] != nil:
		return fmt.Sprintf("%s: %v", e.Kind, fields["message"])
	case e.Detail != nil:
		return fmt.Sprintf("%s: %v", e.Kind, e.Detail)
	}
	return e.Kind
}

// Call calls a task of this module on another host, given by its address as seen from this one, and
// decodes its value into what result points to. Needs a grant for the host. A timeout of 0 is none.
func Call(address, task string, timeout time.Duration, result any, arguments ...any) error {
	question := struct {
		Address, Function string
		TimeoutMs         *uint64
	}{Address: address, Function: task}
	if timeout > 0 {
		ms := uint64(timeout.Milliseconds())
		question.TimeoutMs = &ms
	}
	input, err := cbor.Marshal(append([]any{}, arguments...))
	if err != nil {
		return err
	}
	returned, err := host.Call(question, input)
	if err != nil {
		return err
	}
	if !returned {
		return remoteError(host.Reply())
	}
	return cbor.Unmarshal(host.Reply(), result)
}

// remoteError reads an enum: the name of a variant, or a map of the name and its content.
func remoteError(reply []byte) error {
	var tagged struct {
		Failed *Failure `cbor:"Failed"`
	}
	if cbor.Unmarshal(reply, &tagged) == nil && tagged.Failed != nil {
		return &RemoteError{Kind: "Failed", Failure: tagged.Failed}
	}
	var kind any
	if err := cbor.Unmarshal(reply, &kind); err != nil {
		return err
	}
	if content, ok := kind.(map[string]any); ok {
		for name, detail := range content {
			return &RemoteError{Kind: name, Detail: detail}
		}
	}
	return &RemoteError{Kind: fmt.Sprint(kind)}
}
