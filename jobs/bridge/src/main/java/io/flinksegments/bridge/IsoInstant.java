package io.flinksegments.bridge;

import java.time.LocalDate;
import java.time.YearMonth;

/**
 * Reads ISO-8601 instants without allocating: {@code 2026-11-22T10:15:30.123Z}.
 *
 * <p>The time of day may be missing (midnight) or end after the minutes; a blank may stand for the T; an offset may be
 * {@code Z}, {@code +hh}, {@code +hhmm} or {@code +hh:mm}, and without one the time is UTC. Digits after the
 * milliseconds are cut off.
 */
final class IsoInstant {
    /** What {@link #parse} returns for anything that is not an instant. */
    static final long NONE = Long.MIN_VALUE;

    private static final long DAY = 86_400_000L;

    private final char[] text;
    private final int end;
    private int at;

    private IsoInstant(char[] text, int start, int end) {
        this.text = text;
        this.end = end;
        this.at = start;
    }

    /** Milliseconds since 1970 UTC of the text in {@code text[start, start + length)}, or {@link #NONE}. */
    static long parse(char[] text, int start, int length) {
        IsoInstant reader = new IsoInstant(text, start, start + length);
        long day = reader.day();
        if (day == NONE || reader.at == reader.end) {
            return day;
        }
        if (!reader.skip('T') && !reader.skip('t') && !reader.skip(' ')) {
            return NONE;
        }
        long time = reader.timeOfDay();
        long offset = reader.offset();
        return time < 0 || offset == NONE || reader.at != reader.end ? NONE : day + time - offset;
    }

    private long day() {
        int year = number(4);
        boolean dashes = skip('-');
        int month = number(2);
        dashes &= skip('-');
        int day = number(2);
        boolean valid = dashes && year >= 0 && month >= 1 && month <= 12 && day >= 1;
        if (!valid || day > 28 && day > YearMonth.of(year, month).lengthOfMonth()) {
            return NONE;
        }
        return LocalDate.of(year, month, day).toEpochDay() * DAY;
    }

    private long timeOfDay() {
        int hour = number(2);
        boolean colon = skip(':');
        int minute = number(2);
        if (!colon || hour < 0 || hour > 23 || minute < 0 || minute > 59) {
            return -1;
        }
        if (!skip(':')) {
            return (hour * 60L + minute) * 60_000L;
        }
        int second = number(2);
        int millis = skip('.') || skip(',') ? fraction() : 0;
        if (second < 0 || second > 59 || millis < 0) {
            return -1;
        }
        return ((hour * 60L + minute) * 60L + second) * 1000L + millis;
    }

    private int fraction() {
        int millis = 0;
        int unit = 100;
        int start = at;
        for (; at < end && isDigit(text[at]); at++) {
            millis += (text[at] - '0') * unit;
            unit /= 10;
        }
        return at == start ? -1 : millis;
    }

    private long offset() {
        if (at == end || skip('Z') || skip('z')) {
            return 0;
        }
        boolean east = skip('+');
        if (!east && !skip('-')) {
            return NONE;
        }
        int hours = number(2);
        boolean more = skip(':') || at < end;
        int minutes = more ? number(2) : 0;
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
            return NONE;
        }
        long offset = (hours * 60L + minutes) * 60_000L;
        return east ? offset : -offset;
    }

    private int number(int digits) {
        if (end - at < digits) {
            return -1;
        }
        int number = 0;
        for (int stop = at + digits; at < stop; at++) {
            if (!isDigit(text[at])) {
                return -1;
            }
            number = number * 10 + text[at] - '0';
        }
        return number;
    }

    private boolean skip(char wanted) {
        if (at < end && text[at] == wanted) {
            at++;
            return true;
        }
        return false;
    }

    private static boolean isDigit(char character) {
        return character >= '0' && character <= '9';
    }
}
