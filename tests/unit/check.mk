# Unit tests of src/check.
check_tests = tests/unit/check_allowance tests/unit/check_guard tests/unit/check_pageguard tests/unit/check_quarantine tests/unit/check_range
check_PROGRAMS += $(check_tests)
TESTS += $(check_tests)
tests_unit_check_guard_CPPFLAGS = $(unit_cppflags)
tests_unit_check_guard_LDADD = libengine.la
tests_unit_check_pageguard_CPPFLAGS = $(unit_cppflags)
tests_unit_check_pageguard_LDADD = libengine.la
tests_unit_check_range_CPPFLAGS = $(unit_cppflags)
tests_unit_check_range_LDADD = libengine.la
tests_unit_check_allowance_CPPFLAGS = $(unit_cppflags)
tests_unit_check_allowance_LDADD = libengine.la
tests_unit_check_quarantine_CPPFLAGS = $(unit_cppflags)
tests_unit_check_quarantine_LDADD = libengine.la

# Unit tests of src/engine.
engine_tests = tests/unit/engine_damage
check_PROGRAMS += $(engine_tests)
TESTS += $(engine_tests)
tests_unit_engine_damage_CPPFLAGS = $(unit_cppflags)
tests_unit_engine_damage_LDFLAGS = -Wl,--wrap=fault_of_damage
tests_unit_engine_damage_LDADD = libengine.la
