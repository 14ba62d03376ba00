package mcptasks

import "github.com/mcptasks/mcptasks/internal/toolcall"

// NewRun returns the run of a call that no caller makes.
func NewRun(call toolcall.Call) *Run { return &Run{toolcall.NewRun(call)} }
