package io.flinksegments.bridge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Reads options by name and reports everything that is wrong with them at once. */
final class OptionReader {
    private final String purpose;
    private final Map<String, String> unread;
    private final List<String> problems = new ArrayList<>();

    OptionReader(String purpose, Map<String, String> options) {
        this.purpose = purpose;
        this.unread = new TreeMap<>(options);
    }

    /** A text that is not blank. */
    String text(String name) {
        String value = unread.remove(name);
        if (value == null || value.isBlank()) {
            problem(name + " is missing");
            return "";
        }
        return value.strip();
    }

    /** A list with commas between its items. */
    List<String> list(String name) {
        return Arrays.stream(text(name).split(","))
                .map(String::strip)
                .filter(item -> !item.isEmpty())
                .toList();
    }

    /** A whole number from {@code min} to {@code max}. */
    long number(String name, long min, long max) {
        String value = text(name);
        try {
            long number = value.isEmpty() ? min : Long.parseLong(value);
            if (number >= min && number <= max) {
                return number;
            }
        } catch (NumberFormatException notANumber) {
            // Reported below, like a number out of range.
        }
        problem("%s is %s, but must be a whole number from %d to %d".formatted(name, value, min, max));
        return min;
    }

    /** A number that fits an int. */
    int smallNumber(String name, int min, int max) {
        return (int) number(name, min, max);
    }

    /** {@code true} or {@code false}. */
    boolean flag(String name) {
        String value = text(name);
        if (!value.isEmpty() && !value.equals("true") && !value.equals("false")) {
            problem("%s is %s, but must be true or false".formatted(name, value));
        }
        return value.equals("true");
    }

    /** One of an enum's names, in lower case and with dashes. */
    <E extends Enum<E>> E choice(String name, Class<E> choices) {
        String value = text(name);
        for (E choice : choices.getEnumConstants()) {
            if (optionName(choice).equals(value)) {
                return choice;
            }
        }
        String names = Arrays.stream(choices.getEnumConstants())
                .map(OptionReader::optionName)
                .collect(Collectors.joining(", "));
        if (!value.isEmpty()) {
            problem("%s is %s, but must be one of %s".formatted(name, value, names));
        }
        return choices.getEnumConstants()[0];
    }

    /** All options that start with the prefix, without it. */
    Properties prefixed(String prefix) {
        Properties properties = new Properties();
        unread.forEach((name, value) -> {
            if (name.startsWith(prefix)) {
                properties.setProperty(name.substring(prefix.length()), value);
            }
        });
        unread.keySet().removeIf(name -> name.startsWith(prefix));
        return properties;
    }

    /** Adds a problem of the caller's own. */
    void problem(String problem) {
        problems.add(problem);
    }

    /**
     * Ends the reading.
     *
     * @throws IllegalArgumentException if an option is missing, wrong or unknown; its message names all of them
     */
    void finish() {
        unread.keySet().forEach(name -> problem(name + " is not known"));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(
                    "Options of the %s: %s.".formatted(purpose, String.join("; ", problems)));
        }
    }

    private static String optionName(Enum<?> choice) {
        return choice.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
